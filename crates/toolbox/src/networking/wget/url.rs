//! Addresses of the web, as far as fetching needs them.

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether it is encrypted.
    pub secure: bool,
    /// `user:password`, decoded.
    pub user: Option<String>,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// From the first slash on, without the fragment.
    pub path: String,
}

impl Url {
    /// Reads one; without a scheme it is `http`. `None`: it is none, or of another scheme.
    pub fn parse(text: &str) -> Option<Url> {
        let (secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, _)) if !scheme.contains(['/', '?']) => return None,
            _ => (false, text),
        };
        // A control character would end a line of the request.
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(decode(user)), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(inner) => {
                let (host, behind) = inner.split_once(']')?;
                (host, behind.strip_prefix(':'))
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let usual = if secure { 443 } else { 80 };
        let port = match port {
            None | Some("") => usual,
            Some(port) => port.parse().ok()?,
        };
        if host.is_empty() || host.contains(' ') {
            return None;
        }
        let path = match path.as_bytes().first() {
            Some(b'/') => path.to_owned(),
            _ => format!("/{path}"),
        };
        Some(Url {
            secure,
            user,
            host: host.to_owned(),
            port,
            path: path.replace(' ', "%20"),
        })
    }

    /// The host as a request names it.
    pub fn place(&self) -> String {
        let usual = if self.secure { 443 } else { 80 };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == usual {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// All of it, without the user.
    pub fn text(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.place(), self.path)
    }

    /// What a `Location` of an answer leads to.
    pub fn join(&self, to: &str) -> Option<Url> {
        if let Some(rest) = to.strip_prefix("//") {
            let scheme = if self.secure { "https" } else { "http" };
            return Url::parse(&format!("{scheme}://{rest}"));
        }
        if to.contains("://") {
            return Url::parse(to);
        }
        let base = self.path.split('?').next().unwrap_or("/");
        let path = if to.starts_with('/') {
            to.to_owned()
        } else {
            let folder = base.rfind('/').and_then(|at| base.get(..=at));
            format!("{}{to}", folder.unwrap_or("/"))
        };
        let mut url = Url::parse(&format!("http://h{path}"))?;
        (url.secure, url.host, url.port) = (self.secure, self.host.clone(), self.port);
        url.user.clone_from(&self.user);
        Some(url)
    }

    /// The name that a file gets: the last part of the path, decoded only as far as it is safe.
    pub fn file_name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        match path.rsplit('/').next() {
            None | Some("" | "." | "..") => "index.html".to_owned(),
            Some(name) => name.to_owned(),
        }
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind
            .get(..2)
            .and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Base64, as `Authorization` wants it.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * index) & 63) as usize);
            text.push(if index > three.len() {
                '='
            } else {
                letter.map_or('=', |letter| char::from(*letter))
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let url = Url::parse("https://me:p%40ss@[::1]:8443/a b?q#f").unwrap();
        assert_eq!(
            (url.host.as_str(), url.port, url.secure),
            ("::1", 8443, true)
        );
        assert_eq!(url.user.as_deref(), Some("me:p@ss"));
        assert_eq!(url.path, "/a%20b?q");
        assert_eq!(url.place(), "[::1]:8443");
        assert_eq!(Url::parse("host").unwrap().text(), "http://host/");
        assert_eq!(Url::parse("host?x").unwrap().path, "/?x");
        for bad in [
            "ftp://h/",
            "http://",
            "http://h:x/",
            "http://h/\r\nX: y",
            "http://[::1/",
        ] {
            assert!(Url::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn joining() {
        let url = Url::parse("https://h:1/a/b?c").unwrap();
        let to = |text: &str| url.join(text).unwrap().text();
        assert_eq!(to("d"), "https://h:1/a/d");
        assert_eq!(to("/d"), "https://h:1/d");
        assert_eq!(to("//i/d"), "https://i/d");
        assert_eq!(to("http://i/d"), "http://i/d");
    }

    #[test]
    fn names_of_files() {
        let name = |text: &str| Url::parse(text).unwrap().file_name();
        assert_eq!(name("h/a/b.tar?x=/y"), "b.tar");
        assert_eq!(name("h/a/"), "index.html");
        assert_eq!(name("h/.."), "index.html");
    }

    #[test]
    fn base64_pads() {
        for (from, to) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj")] {
            assert_eq!(base64(from.as_bytes()), to);
        }
    }
}
