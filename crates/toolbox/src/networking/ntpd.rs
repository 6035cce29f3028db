//! `ntpd`: sets the clock by a time server (SNTP, RFC 5905), with BusyBox's options; a client only.

use crate::common::daemon;
use crate::common::lines::say;
use crate::common::options::{Given, Options};
use crate::common::syslog;
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::ffi::OsString;
use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

pub const USAGE: &str = "[-dnqNw] [-p SERVER]... [-S PROGRAM]

-p  a server    -n  stay in the foreground    -q  set the clock once and end    -w  only tell how wrong it is
-N  run with a high priority    -d  say more    -S  run a program when the clock was set or is steady";

/// Seconds between 1900 and 1970.
const EPOCH: i64 = 2_208_988_800;
/// What is farther away than this is stepped, what is nearer is slewed.
const STEP: f64 = 0.125;

/// One answer: how far our clock is behind, and how long the way was, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    offset: f64,
    delay: f64,
}

fn now() -> f64 {
    let at = clock_gettime(ClockId::Realtime);
    at.tv_sec as f64 + at.tv_nsec as f64 / 1e9
}

/// 32 bits of seconds since 1900, and 32 of fractions. The era that is nearest to `near` is meant.
fn read_time(bytes: &[u8], near: f64) -> Option<f64> {
    let seconds = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let fraction = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
    let mut time = i64::from(seconds) - EPOCH;
    // The count begins anew in 2036.
    while (time as f64) < near - 2_147_483_648.0 {
        time += 1 << 32;
    }
    Some(time as f64 + f64::from(fraction) / 4_294_967_296.0)
}

/// Reads an answer to a question that was sent with these eight bytes as its time.
fn decode(bytes: &[u8], sent: [u8; 8], asked: f64, heard: f64) -> Option<Sample> {
    let first = *bytes.first()?;
    // Server mode, a clock that is in step, and an answer to our question.
    let stratum = *bytes.get(1)?;
    if bytes.len() < 48 || first & 7 != 4 || first >> 6 == 3 || stratum == 0 || stratum > 15 {
        return None;
    }
    if bytes.get(24..32)? != sent {
        return None;
    }
    let received = read_time(bytes.get(32..40)?, asked)?;
    let transmitted = read_time(bytes.get(40..48)?, asked)?;
    // A clock that starts in 1970 is near nothing: then whatever the server says is right.
    Some(Sample {
        offset: ((received - asked) + (transmitted - heard)) / 2.0,
        delay: ((heard - asked) - (transmitted - received)).max(0.0),
    })
}

fn ask(server: &str) -> io::Result<Sample> {
    let mut last = io::Error::other("it has no address");
    for address in (server, 123).to_socket_addrs()? {
        let local = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(local)?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        let mut packet = [0_u8; 48];
        packet[0] = 4 << 3 | 3;
        // A random number serves as our time: only the server that was asked can know it.
        let mut sent = [0_u8; 8];
        rustix::rand::getrandom(&mut sent, rustix::rand::GetRandomFlags::empty())?;
        packet[40..48].copy_from_slice(&sent);
        let asked = now();
        let start = Instant::now();
        let result = socket
            .connect(address)
            .and_then(|()| socket.send(&packet))
            .and_then(|_| {
                let mut answer = [0_u8; 128];
                let count = socket.recv(&mut answer)?;
                let heard = asked + start.elapsed().as_secs_f64();
                decode(answer.get(..count).unwrap_or_default(), sent, asked, heard).ok_or_else(
                    || io::Error::other("the answer is none, or its clock is not in step"),
                )
            });
        match result {
            Ok(sample) => return Ok(sample),
            Err(error) => last = error,
        }
    }
    Err(last)
}

struct Client<'a> {
    given: &'a Given,
    servers: Vec<String>,
    stepped: bool,
}

impl Client<'_> {
    fn log(&self, text: &str) {
        say("ntpd", text);
        if !self.given.has('n') || !rustix::termios::isatty(rustix::stdio::stderr()) {
            syslog::log(syslog::DAEMON, syslog::INFO, "ntpd", text);
        }
    }

    /// Asks all servers; the nearest answer of those that agree with the middle.
    fn measure(&self) -> Option<Sample> {
        let mut samples: Vec<Sample> = Vec::new();
        for server in &self.servers {
            match ask(server) {
                Ok(sample) => {
                    if self.given.has('d') {
                        say(
                            "ntpd",
                            format!(
                                "{server}: offset {:+.6} s, delay {:.6} s",
                                sample.offset, sample.delay
                            ),
                        );
                    }
                    samples.push(sample);
                }
                Err(error) if self.given.has('d') || self.given.has('q') => {
                    self.log(&format!(
                        "{server}: {}",
                        crate::common::lines::cause(&error)
                    ));
                }
                Err(_) => {}
            }
        }
        choose(&mut samples)
    }

    fn set(&mut self, sample: Sample) -> io::Result<()> {
        if sample.offset.abs() > STEP {
            let right = now() + sample.offset;
            let at = Timespec {
                tv_sec: right.floor() as i64,
                tv_nsec: ((right - right.floor()) * 1e9) as _,
            };
            clock_settime(ClockId::Realtime, at)?;
            self.log(&format!(
                "setting the time: it was {:+.3} s off",
                -sample.offset
            ));
            self.stepped = true;
            self.tell("step", sample);
        } else {
            sys::kernel::slew_clock((sample.offset * 1e9) as i64)?;
            self.tell("periodic", sample);
        }
        let _ = sys::kernel::clock_is_right();
        Ok(())
    }

    fn tell(&self, what: &str, sample: Sample) {
        if let Some(program) = self.given.value('S') {
            let run = std::process::Command::new(program)
                .arg(what)
                .env("offset", format!("{:.6}", sample.offset))
                .env("stratum", "")
                .status();
            if let Err(error) = run {
                crate::common::lines::complain("ntpd", program, &error);
            }
        }
    }

    fn run(&mut self) -> i32 {
        let mut pause = 2;
        let mut steady = 0;
        loop {
            match self.measure() {
                Some(sample) if self.given.has('w') => {
                    self.log(&format!("the clock is {:+.6} s off", -sample.offset));
                    if self.given.has('q') {
                        return 0;
                    }
                    pause = 64;
                }
                Some(sample) => {
                    if let Err(error) = self.set(sample) {
                        self.log(&format!(
                            "setting the time: {}",
                            crate::common::lines::cause(&error)
                        ));
                        return 1;
                    }
                    if self.given.has('q') {
                        return 0;
                    }
                    steady = if sample.offset.abs() < STEP {
                        steady + 1
                    } else {
                        0
                    };
                    // Seldom when all is well, soon again when it is not.
                    pause = if steady == 0 {
                        32
                    } else {
                        (64 << steady.min(5)).min(2048)
                    };
                }
                // The network may come later.
                None => pause = (pause * 2).min(512),
            }
            std::thread::sleep(Duration::from_secs(pause));
        }
    }
}

/// Of answers that lie within a second of the middle one, the one that came the shortest way.
fn choose(samples: &mut [Sample]) -> Option<Sample> {
    samples.sort_by(|a, b| a.offset.total_cmp(&b.offset));
    let middle = samples.get(samples.len() / 2)?.offset;
    samples
        .iter()
        .filter(|sample| (sample.offset - middle).abs() < 1.0)
        .min_by(|a, b| a.delay.total_cmp(&b.delay))
        .copied()
}

/// Runs it.
pub fn main(arguments: &[OsString]) -> i32 {
    let options = Options {
        applet: "ntpd",
        letters: "dnqNwp:S:k:",
        long: &[],
    };
    let given = match options.parse(arguments) {
        Ok(given) => given,
        Err(status) => return status,
    };
    let mut servers: Vec<String> = given
        .values('p')
        .map(|text| text.to_string_lossy().into_owned())
        .collect();
    if servers.is_empty() {
        let text = std::fs::read_to_string("/etc/ntp.conf").unwrap_or_default();
        servers = text
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                matches!(words.next()?, "server" | "pool").then(|| words.next())?
            })
            .map(str::to_owned)
            .collect();
    }
    if servers.is_empty() {
        return options.wrong("no server: -p names one, or a line 'server NAME' in /etc/ntp.conf");
    }
    if given.has('N') {
        let _ = rustix::process::setpriority_process(None, -15);
    }
    let mut client = Client {
        given: &given,
        servers,
        stepped: false,
    };
    if given.has('n') || given.has('q') || given.has('d') {
        client.run()
    } else {
        daemon::detach("ntpd", || client.run())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_a_forged_one_is_not() {
        let sent = [1, 2, 3, 4, 5, 6, 7, 8];
        let mut answer = [0_u8; 48];
        answer[0] = 4 << 3 | 4;
        answer[1] = 2;
        answer[24..32].copy_from_slice(&sent);
        let time = |seconds: i64| u32::try_from(seconds + EPOCH).unwrap().to_be_bytes();
        answer[32..36].copy_from_slice(&time(1_000_010));
        answer[40..44].copy_from_slice(&time(1_000_010));
        let sample = decode(&answer, sent, 1_000_000.0, 1_000_000.5).unwrap();
        assert!((sample.offset - 9.75).abs() < 1e-6 && (sample.delay - 0.5).abs() < 1e-6);
        assert_eq!(decode(&answer, [0; 8], 1_000_000.0, 1_000_000.5), None);
        for (at, value) in [(0, 0xe4), (0, 0x23), (1, 0), (1, 16)] {
            let mut bad = answer;
            bad[at] = value;
            assert_eq!(decode(&bad, sent, 0.0, 0.5), None);
        }
        for end in 0..48 {
            assert_eq!(decode(&answer[..end], sent, 0.0, 0.5), None);
        }
    }

    #[test]
    fn the_era_after_2036_and_the_odd_one_out() {
        let near = 2_100_000_000.0;
        assert_eq!(
            read_time(&[0, 0, 0, 1, 0x80, 0, 0, 0], near),
            Some((1_i64 << 32) as f64 - EPOCH as f64 + 1.5)
        );
        let sample = |offset, delay| Sample { offset, delay };
        let mut samples = [sample(0.1, 0.3), sample(0.2, 0.1), sample(500.0, 0.01)];
        assert_eq!(choose(&mut samples), Some(sample(0.2, 0.1)));
        assert_eq!(choose(&mut []), None);
    }
}
