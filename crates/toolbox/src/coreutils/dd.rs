//! `dd` (POSIX.1-2024), with GNU's flags `fsync`, `notrunc`, `nocreat`, `fullblock`, `status=`.

use crate::common::lines::{complain, say};
use crate::common::options::size;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

pub const USAGE: &str = "[if=FILE] [of=FILE] [bs=N] [ibs=N] [obs=N] [count=N] [skip=N] [seek=N]
       [conv=notrunc,noerror,sync,fsync,nocreat,excl,lcase,ucase,swab] [iflag=fullblock,count_bytes,skip_bytes]
       [oflag=append,seek_bytes] [status=none|noxfer|progress]

numbers may end in c w b k M G (and x: a product)";

struct Job {
    input: Option<OsString>,
    output: Option<OsString>,
    ibs: u64,
    obs: u64,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    words: Vec<String>,
    status: String,
}

/// `4x512` and other products.
fn number(text: &OsStr) -> Option<u64> {
    let text = text.to_str()?;
    text.split('x')
        .map(|part| size(OsStr::new(part)))
        .try_fold(1_u64, |all, part| all.checked_mul(part?))
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let mut job = Job {
        input: None,
        output: None,
        ibs: 512,
        obs: 512,
        count: None,
        skip: 0,
        seek: 0,
        words: Vec::new(),
        status: String::new(),
    };
    for word in arguments.iter().skip(1) {
        let bytes = word.as_bytes();
        let at = bytes
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(bytes.len());
        let (name, value) = bytes.split_at(at);
        let value = OsStr::from_bytes(value.get(1..).unwrap_or_default());
        let mut fine = true;
        let mut take = |place: &mut u64| match number(value) {
            Some(number) => *place = number,
            None => fine = false,
        };
        match name {
            b"if" => job.input = Some(value.to_owned()),
            b"of" => job.output = Some(value.to_owned()),
            b"bs" => {
                take(&mut job.ibs);
                job.obs = job.ibs;
            }
            b"ibs" => take(&mut job.ibs),
            b"obs" => take(&mut job.obs),
            b"skip" | b"iseek" => take(&mut job.skip),
            b"seek" | b"oseek" => take(&mut job.seek),
            b"count" => {
                let mut count = 0;
                take(&mut count);
                job.count = Some(count);
            }
            b"conv" | b"iflag" | b"oflag" => {
                for word in value.to_string_lossy().split(',') {
                    const KNOWN: &[&str] = &[
                        "notrunc",
                        "noerror",
                        "sync",
                        "fsync",
                        "fdatasync",
                        "nocreat",
                        "excl",
                        "lcase",
                        "ucase",
                        "swab",
                        "fullblock",
                        "count_bytes",
                        "skip_bytes",
                        "append",
                        "seek_bytes",
                        "direct",
                        "dsync",
                        "nonblock",
                        "noatime",
                    ];
                    fine &= KNOWN.contains(&word);
                    job.words.push(word.to_owned());
                }
            }
            b"status" => job.status = value.to_string_lossy().into_owned(),
            _ => {
                say("dd", format!("unrecognized operand '{}'", word.display()));
                return 1;
            }
        }
        if !fine {
            say("dd", format!("invalid value in '{}'", word.display()));
            return 1;
        }
    }
    if job.ibs == 0 || job.obs == 0 || job.ibs > 1 << 30 || job.obs > 1 << 30 {
        say("dd", "a block has 1 byte to 1 GiB");
        return 1;
    }
    match job.run() {
        Ok(()) => 0,
        Err((what, error)) => {
            complain("dd", &what, &error);
            1
        }
    }
}

impl Job {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    fn run(&self) -> Result<(), (OsString, io::Error)> {
        let input_name = self
            .input
            .clone()
            .unwrap_or_else(|| "standard input".into());
        let output_name = self
            .output
            .clone()
            .unwrap_or_else(|| "standard output".into());
        let at = |name: &OsString| {
            let name = name.clone();
            move |error: io::Error| (name, error)
        };
        let descriptor = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        let mut input = match &self.input {
            Some(path) => File::open(path),
            None => descriptor(rustix::stdio::stdin()),
        }
        .map_err(at(&input_name))?;
        let seek = if self.has("seek_bytes") {
            self.seek
        } else {
            self.seek.saturating_mul(self.obs)
        };
        let mut output = match &self.output {
            Some(path) => OpenOptions::new()
                .write(true)
                .append(self.has("append"))
                .create(!self.has("nocreat"))
                .create_new(self.has("excl"))
                .open(path),
            None => descriptor(rustix::stdio::stdout()),
        }
        .map_err(at(&output_name))?;
        if self.output.is_some() && !self.has("notrunc") && !self.has("append") {
            // A device has no length to cut.
            if output.metadata().is_ok_and(|meta| meta.is_file()) {
                output.set_len(seek).map_err(at(&output_name))?;
            }
        }
        if seek > 0 && !self.has("append") {
            output
                .seek(SeekFrom::Start(seek))
                .map_err(at(&output_name))?;
        }
        let skip = if self.has("skip_bytes") {
            self.skip
        } else {
            self.skip.saturating_mul(self.ibs)
        };
        if skip > 0
            && input
                .seek(SeekFrom::Current(i64::try_from(skip).unwrap_or(i64::MAX)))
                .is_err()
        {
            io::copy(&mut (&mut input).take(skip), &mut io::sink()).map_err(at(&input_name))?;
        }
        let start = Instant::now();
        let mut counts = [0_u64; 4];
        let mut total = 0_u64;
        let mut pending: Vec<u8> = Vec::new();
        let block = usize::try_from(self.ibs).unwrap_or(512);
        let out_block = usize::try_from(self.obs).unwrap_or(512);
        let mut buffer = vec![0; block];
        let mut left = self.count.map(|count| {
            if self.has("count_bytes") {
                count
            } else {
                count.saturating_mul(self.ibs)
            }
        });
        let mut blocks_left = self.count.filter(|_| !self.has("count_bytes"));
        let mut shown = Instant::now();
        let done = loop {
            if left == Some(0) || blocks_left == Some(0) {
                break Ok(());
            }
            let want = left.map_or(block, |left| {
                block.min(usize::try_from(left).unwrap_or(block))
            });
            let mut count = 0;
            let mut failed = None;
            while count < want {
                match input.read(buffer.get_mut(count..want).unwrap_or_default()) {
                    Ok(0) => break,
                    Ok(read) => {
                        count += read;
                        if !self.has("fullblock") {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            if let Some(error) = failed {
                if !self.has("noerror") {
                    break Err(at(&input_name)(error));
                }
                complain("dd", &input_name, &error);
                // Past what cannot be read.
                let step = i64::try_from(block).unwrap_or(512);
                if input.seek(SeekFrom::Current(step)).is_err() {
                    break Ok(());
                }
                count = 0;
                if !self.has("sync") {
                    continue;
                }
            } else if count == 0 {
                break Ok(());
            }
            let whole = usize::from(count != block);
            if let Some(place) = counts.get_mut(whole) {
                *place += 1;
            }
            if let Some(left) = &mut left {
                *left -= count as u64;
            }
            if let Some(blocks) = &mut blocks_left {
                *blocks -= 1;
            }
            if self.has("sync") && count < block {
                buffer.get_mut(count..).unwrap_or_default().fill(0);
                count = block;
            }
            let data = buffer.get_mut(..count).unwrap_or_default();
            self.convert(data);
            pending.extend_from_slice(data);
            // Equal sizes are written as they come.
            let flush_all = self.ibs == self.obs;
            while pending.len() >= out_block || flush_all && !pending.is_empty() {
                let size = out_block.min(pending.len());
                let result = output.write_all(pending.get(..size).unwrap_or_default());
                if let Err(error) = result {
                    self.report(counts, total, start);
                    return Err(at(&output_name)(error));
                }
                if let Some(place) = counts.get_mut(2 + usize::from(size != out_block)) {
                    *place += 1;
                }
                total += size as u64;
                pending.drain(..size);
            }
            if self.status == "progress" && shown.elapsed().as_secs() >= 1 {
                shown = Instant::now();
                let line = format!(
                    "\r{total} bytes copied, {:.0} s",
                    start.elapsed().as_secs_f64()
                );
                let _ = crate::common::lines::write_all(rustix::stdio::stderr(), line.as_bytes());
            }
        };
        if !pending.is_empty() {
            output.write_all(&pending).map_err(at(&output_name))?;
            counts[3] += 1;
            total += pending.len() as u64;
        }
        if self.has("fsync") || self.has("fdatasync") {
            output.sync_all().map_err(at(&output_name))?;
        }
        self.report(counts, total, start);
        done
    }

    fn convert(&self, data: &mut [u8]) {
        if self.has("ucase") {
            data.make_ascii_uppercase();
        }
        if self.has("lcase") {
            data.make_ascii_lowercase();
        }
        if self.has("swab") {
            for pair in data.chunks_exact_mut(2) {
                pair.reverse();
            }
        }
    }

    fn report(&self, counts: [u64; 4], total: u64, start: Instant) {
        if self.status == "none" {
            return;
        }
        let [in_whole, in_part, out_whole, out_part] = counts;
        let mut text = String::new();
        if self.status == "progress" {
            text.push('\n');
        }
        text.push_str(&format!(
            "{in_whole}+{in_part} records in\n{out_whole}+{out_part} records out\n"
        ));
        if self.status != "noxfer" {
            let seconds = start.elapsed().as_secs_f64();
            let rate = total as f64 / seconds.max(1e-9) / 1_048_576.0;
            text.push_str(&format!(
                "{total} bytes copied, {seconds:.6} seconds, {rate:.1}MB/s\n"
            ));
        }
        let _ = crate::common::lines::write_all(rustix::stdio::stderr(), text.as_bytes());
    }
}
