//! A root as a container image: one tar that is an OCI image layout (OCI image specification 1.1: `oci-layout`,
//! `index.json`, `blobs/`) and, by its `manifest.json`, what `docker load` and `podman load` take.

use crate::archive;
use crate::digest::{self, Digest, Hashing};
use crate::spec::{Compression, Spec};
use crate::tree::Entry;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// zstd's level for layers: nobody waits long for a small root, and many fetch it.
const ZSTD_LEVEL: i32 = 19;

/// Where programs are looked for when an image does not say.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What an image is called and made for.
pub(crate) struct Named<'a> {
    /// `ferrata-NAME`
    pub(crate) name: &'a str,
    /// The tag.
    pub(crate) version: &'a str,
    /// As apk names it.
    pub(crate) arch: &'a str,
    /// Every time stamp, in seconds since 1970.
    pub(crate) epoch: u64,
}

/// Writes the image to `target`, with its parts below `work`. Gives the size of its layer in bytes.
pub(crate) fn write(
    named: &Named<'_>,
    spec: &Spec,
    entries: &[Entry],
    work: &Path,
    target: &Path,
) -> io::Result<u64> {
    let file = work.join("layer");
    let (contents, layer, ending) = match spec.compression {
        Compression::Gzip => {
            let (contents, layer) = gzip_layer(entries, named.epoch, &file)?;
            (contents, layer, "gzip")
        }
        Compression::Zstd => {
            let (contents, layer) = zstd_layer(entries, named.epoch, &file)?;
            (contents, layer, "zstd")
        }
    };
    let created = rfc3339(named.epoch);
    let mut config = json!({
        "architecture": goarch(named.arch),
        "config": settings(spec),
        "created": created,
        "history": [{ "created": created, "created_by": "ferrata image" }],
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", contents.sha256)] },
    });
    if named.arch == "aarch64"
        && let Some(map) = config.as_object_mut()
    {
        map.insert("variant".into(), json!("v8"));
    }
    let config = Blob::of(&config, "application/vnd.oci.image.config.v1+json");
    let layer_type = format!("application/vnd.oci.image.layer.v1.tar+{ending}");
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor(),
        "layers": [descriptor(&layer_type, &layer)],
    });
    if !spec.annotations.is_empty()
        && let Some(map) = manifest.as_object_mut()
    {
        map.insert("annotations".into(), json!(spec.annotations));
    }
    let manifest = Blob::of(&manifest, "application/vnd.oci.image.manifest.v1+json");
    let mut entry = manifest.descriptor();
    if let Some(map) = entry.as_object_mut() {
        map.insert(
            "annotations".into(),
            json!({
                "io.containerd.image.name": format!("{}:{}", named.name, named.version),
                "org.opencontainers.image.ref.name": named.version,
            }),
        );
        map.insert(
            "platform".into(),
            json!({ "architecture": goarch(named.arch), "os": "linux" }),
        );
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    let docker = json!([{
        "Config": config.path(),
        "RepoTags": [format!("{}:{}", named.name, named.version)],
        "Layers": [blob_path(&layer.sha256)],
    }]);
    let mut tar = tar::Builder::new(BufWriter::new(File::create(target)?));
    let mut add = |path: &str, size: u64, bytes: &mut dyn io::Read| {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(named.epoch);
        header.set_size(size);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, bytes)
    };
    for (path, value) in [
        ("oci-layout", json!({ "imageLayoutVersion": "1.0.0" })),
        ("index.json", index),
        ("manifest.json", docker),
    ] {
        let text = value.to_string();
        add(path, text.len() as u64, &mut text.as_bytes())?;
    }
    for blob in [&manifest, &config] {
        add(
            &blob.path(),
            blob.text.len() as u64,
            &mut blob.text.as_bytes(),
        )?;
    }
    add(
        &blob_path(&layer.sha256),
        layer.bytes,
        &mut File::open(&file)?,
    )?;
    tar.into_inner()?.into_inner()?.sync_all()?;
    Ok(layer.bytes)
}

/// Writes the layer; gives what it holds, and what it is.
fn gzip_layer(entries: &[Entry], epoch: u64, file: &Path) -> io::Result<(Digest, Digest)> {
    let out = Hashing::new(BufWriter::new(File::create(file)?));
    let tar = archive::write_tar(entries, epoch, Hashing::new(archive::gzip(out)))?;
    let (encoder, contents) = tar.finish();
    let (mut out, layer) = encoder.finish()?.finish();
    out.flush()?;
    Ok((contents, layer))
}

fn zstd_layer(entries: &[Entry], epoch: u64, file: &Path) -> io::Result<(Digest, Digest)> {
    let out = Hashing::new(BufWriter::new(File::create(file)?));
    let encoder = zstd::Encoder::new(out, ZSTD_LEVEL)?;
    let (encoder, contents) = archive::write_tar(entries, epoch, Hashing::new(encoder))?.finish();
    let (mut out, layer) = encoder.finish()?.finish();
    out.flush()?;
    Ok((contents, layer))
}

/// What a container runs with.
fn settings(spec: &Spec) -> Value {
    let mut settings = serde_json::Map::new();
    let mut environment: Vec<String> = spec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !spec.environment.contains_key("PATH") {
        environment.insert(0, PATH.into());
    }
    settings.insert("Env".into(), json!(environment));
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    if let Some(entrypoint) = &spec.entrypoint {
        settings.insert("Entrypoint".into(), json!(words(&entrypoint.command)));
    }
    if let Some(command) = &spec.cmd {
        settings.insert("Cmd".into(), json!(words(command)));
    }
    for (name, value) in [
        ("WorkingDir", &spec.work_dir),
        ("User", &spec.accounts.run_as),
        ("StopSignal", &spec.stop_signal),
    ] {
        if let Some(value) = value {
            settings.insert(name.into(), json!(value));
        }
    }
    if !spec.volumes.is_empty() {
        let volumes: serde_json::Map<String, Value> = spec
            .volumes
            .iter()
            .map(|path| (path.clone(), json!({})))
            .collect();
        settings.insert("Volumes".into(), Value::Object(volumes));
    }
    Value::Object(settings)
}

/// A JSON document of the image.
struct Blob {
    text: String,
    media_type: &'static str,
    digest: Digest,
}

impl Blob {
    fn of(value: &Value, media_type: &'static str) -> Blob {
        let text = value.to_string();
        let digest = Digest {
            sha256: digest::of(text.as_bytes()),
            bytes: text.len() as u64,
        };
        Blob {
            text,
            media_type,
            digest,
        }
    }

    fn path(&self) -> String {
        blob_path(&self.digest.sha256)
    }

    fn descriptor(&self) -> Value {
        descriptor(self.media_type, &self.digest)
    }
}

fn descriptor(media_type: &str, digest: &Digest) -> Value {
    json!({
        "mediaType": media_type,
        "digest": format!("sha256:{}", digest.sha256),
        "size": digest.bytes,
    })
}

fn blob_path(sha256: &str) -> String {
    let path: PathBuf = ["blobs", "sha256", sha256].iter().collect();
    path.display().to_string()
}

/// The architecture as OCI, after Go, names it.
fn goarch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Seconds since 1970 as RFC 3339 has it.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let days = i64::try_from(seconds / 86_400).unwrap_or_default();
    let (year, month, day) = apk::civil(days);
    let rest = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;
    use std::collections::BTreeMap;
    use std::io::Read;

    fn made(extra: &str) -> (Vec<u8>, u64) {
        let spec = Spec::parse(
            Path::new("images/x.yaml"),
            &format!("kind: container\ndescription: x\ncontents: {{packages: [base]}}\n{extra}"),
        )
        .unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/motd"), "hi\n").unwrap();
        let entries = tree::read(root.path(), Some(&tree::Owners::new())).unwrap();
        let work = tempfile::tempdir().unwrap();
        let target = work.path().join("image.tar");
        let named = Named {
            name: "ferrata-x",
            version: "1",
            arch: "x86_64",
            epoch: 1_767_225_600,
        };
        let layer = write(&named, &spec, &entries, work.path(), &target).unwrap();
        (std::fs::read(target).unwrap(), layer)
    }

    fn files(image: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(image);
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                (path, bytes)
            })
            .collect()
    }

    /// From the index over the manifest to the layer, each by its digest; gives the configuration and the root's tar.
    fn followed(image: &[u8]) -> (Value, Vec<u8>) {
        let files = files(image);
        let value = |path: &str| -> Value { serde_json::from_slice(&files[path]).unwrap() };
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let bytes = &files[&blob_path(digest.strip_prefix("sha256:").unwrap())];
            assert_eq!(format!("sha256:{}", digest::of(bytes)), digest);
            assert_eq!(descriptor["size"], bytes.len());
            bytes.clone()
        };
        assert_eq!(value("oci-layout")["imageLayoutVersion"], "1.0.0");
        let manifest: Value =
            serde_json::from_slice(&blob(&value("index.json")["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
        let layer = blob(&manifest["layers"][0]);
        let mut tar = Vec::new();
        if manifest["layers"][0]["mediaType"]
            .as_str()
            .unwrap()
            .ends_with("zstd")
        {
            zstd::Decoder::new(layer.as_slice())
                .unwrap()
                .read_to_end(&mut tar)
                .unwrap();
        } else {
            flate2::read::GzDecoder::new(layer.as_slice())
                .read_to_end(&mut tar)
                .unwrap();
        }
        let diff = format!("sha256:{}", digest::of(&tar));
        assert_eq!(config["rootfs"]["diff_ids"][0], diff.as_str());
        // What docker reads names the same two.
        let docker = &value("manifest.json")[0];
        assert!(files.contains_key(docker["Config"].as_str().unwrap()));
        assert_eq!(files[docker["Layers"][0].as_str().unwrap()], layer);
        (config, tar)
    }

    #[test]
    fn every_digest_leads_to_what_it_names() {
        for compression in ["gzip", "zstd"] {
            let (image, layer) = made(&format!("compression: {compression}"));
            assert!(layer > 0);
            let (config, tar) = followed(&image);
            assert_eq!(config["architecture"], "amd64");
            assert_eq!(config["created"], "2026-01-01T00:00:00Z");
            assert_eq!(config["config"]["Env"][0], PATH);
            assert_eq!(files(&tar)["etc/motd"], b"hi\n");
        }
    }

    #[test]
    fn the_declaration_says_how_it_runs_and_the_bytes_are_always_the_same() {
        let extra = "entrypoint: {command: /bin/sh -l}\ncmd: -c true\nwork-dir: /srv\nstop-signal: SIGINT\n\
            environment: {LANG: C.UTF-8}\nvolumes: [/data]\naccounts: {run-as: '65532'}\n\
            annotations: {org.example.a: b}\n";
        let (image, _) = made(extra);
        let (config, _) = followed(&image);
        let config = &config["config"];
        assert_eq!(config["Entrypoint"], json!(["/bin/sh", "-l"]));
        assert_eq!(config["Cmd"], json!(["-c", "true"]));
        assert_eq!(config["WorkingDir"], "/srv");
        assert_eq!(config["User"], "65532");
        assert_eq!(config["StopSignal"], "SIGINT");
        assert_eq!(config["Env"], json!([PATH, "LANG=C.UTF-8"]));
        assert_eq!(config["Volumes"], json!({ "/data": {} }));
        assert_eq!(made(extra).0, image);
    }
}
