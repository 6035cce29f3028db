//! Netlink, interface ioctls and raw sockets: rtnetlink(7), netlink(7), packet(7).
//!
//! - [`Request`] builds a netlink message, [`Netlink`] sends it and collects the answers, [`Attributes`] walks them
//! - [`uevents`] listens to the kernel's device events
//! - [`Packet`] sends and receives below IP, which DHCP and ARP need
//!
//! What arrives is never trusted: every length is checked, and what does not fit ends the walk.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Flags of a request: it is one, and wants to be acknowledged.
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;
/// For a new object: fail where it is there.
pub const EXCLUSIVE: u16 = 0x200;
/// For a new object: make it where it is not there.
pub const CREATE: u16 = 0x400;
/// For a new object: replace the one that is there.
pub const REPLACE: u16 = 0x100;

/// A netlink message that is being built.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A message of a type with its fixed part behind the header (`ifinfomsg`, `ifaddrmsg`, …).
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Request {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        let mut request = Request { bytes };
        request.align();
        request
    }

    fn align(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Request {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes
            .extend_from_slice(value.get(..usize::from(length) - 4).unwrap_or(value));
        self.align();
        self
    }

    /// Adds an attribute that holds a number in the machine's order.
    pub fn number(&mut self, kind: u16, value: u32) -> &mut Request {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Adds an attribute that holds others.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Request)) -> &mut Request {
        let start = self.bytes.len();
        self.attribute(kind, b"");
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 2) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self
    }

    /// What follows the header: the fixed part and the attributes.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(16..).unwrap_or_default()
    }

    /// The message as it is sent.
    fn finish(&self, sequence: u32, more: u16) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let flags = half(&bytes, 6) | more;
        for (at, value) in [(0, length), (8, sequence)] {
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&value.to_ne_bytes());
            }
        }
        if let Some(place) = bytes.get_mut(6..8) {
            place.copy_from_slice(&flags.to_ne_bytes());
        }
        bytes
    }
}

/// Two bytes at a place, in the machine's order; 0 where there are none.
pub fn half(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(&[a, b]) => u16::from_ne_bytes([a, b]),
        _ => 0,
    }
}

/// Four bytes at a place, in the machine's order; 0 where there are none.
pub fn word(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(&[a, b, c, d]) => u32::from_ne_bytes([a, b, c, d]),
        _ => 0,
    }
}

/// An answer: its type and what is behind its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `RTM_NEWLINK` and so on.
    pub kind: u16,
    /// The fixed part and the attributes.
    pub body: Vec<u8>,
}

impl Message {
    /// The attributes behind a fixed part of that length.
    pub fn attributes(&self, fixed: usize) -> Attributes<'_> {
        Attributes(self.body.get(fixed..).unwrap_or_default())
    }
}

/// Walks attributes: (type, value).
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first one of a type.
    pub fn find(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find_map(|(found, value)| (found == kind).then_some(value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(half(self.0, 0));
        let value = self.0.get(4..length)?;
        // The two highest bits of the type are flags.
        let kind = half(self.0, 2) & 0x3fff;
        self.0 = self.0.get((length + 3) & !3..).unwrap_or_default();
        Some((kind, value))
    }
}

/// Splits what one read gave into messages; `Err` is the error that the kernel reports. The flag: the answer is
/// complete.
fn split(mut bytes: &[u8], sequence: u32, into: &mut Vec<Message>) -> io::Result<bool> {
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    while bytes.len() >= 16 {
        let length = word(bytes, 0) as usize;
        let Some(body) = bytes.get(16..length) else {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        };
        let (kind, ours) = (half(bytes, 4), word(bytes, 8) == sequence);
        bytes = bytes.get((length + 3) & !3..).unwrap_or_default();
        if !ours {
            continue;
        }
        match kind {
            ERROR | DONE => {
                let code = word(body, 0).cast_signed();
                return if code < 0 {
                    Err(io::Error::from_raw_os_error(code.saturating_neg()))
                } else {
                    Ok(true)
                };
            }
            kind => into.push(Message {
                kind,
                body: body.to_vec(),
            }),
        }
    }
    Ok(false)
}

/// A socket to the kernel's network configuration.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens it.
    ///
    /// # Errors
    /// The system's error.
    pub fn route() -> io::Result<Netlink> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Netlink {
            socket,
            sequence: 0,
        })
    }

    fn exchange(&mut self, request: &Request, more: u16) -> io::Result<Vec<Message>> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.finish(self.sequence, more);
        rustix::net::sendto(
            &self.socket,
            &bytes,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        let mut answers = Vec::new();
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            let count = match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((count, _)) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if split(bytes, self.sequence, &mut answers)? {
                return Ok(answers);
            }
        }
    }

    /// Sends a request and waits until the kernel acknowledges it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn change(&mut self, request: &Request) -> io::Result<()> {
        self.exchange(request, ACKNOWLEDGE).map(drop)
    }

    /// Asks for one object.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn get(&mut self, request: &Request) -> io::Result<Option<Message>> {
        Ok(self.exchange(request, ACKNOWLEDGE)?.into_iter().next())
    }

    /// Asks for all objects of a kind.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn dump(&mut self, request: &Request) -> io::Result<Vec<Message>> {
        self.exchange(request, DUMP)
    }
}

/// A socket on which the kernel tells of devices that come and go, one event a read (`NETLINK_KOBJECT_UEVENT`).
///
/// # Errors
/// The system's error.
pub fn uevents() -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(rustix::net::netlink::KOBJECT_UEVENT),
    )?;
    // A coldplug makes thousands of events at once; where the larger buffer is refused the usual one has to do.
    let size: libc::c_int = 4 << 20;
    let _ = set_option(socket.as_fd(), libc::SO_RCVBUFFORCE, &size.to_ne_bytes());
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 1))?;
    Ok(socket)
}

fn set_option(fd: BorrowedFd<'_>, name: libc::c_int, value: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // SAFETY: the pointer and the length are those of a slice that lives through the call.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            value.as_ptr().cast(),
            length,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets a socket use one interface only (`SO_BINDTODEVICE`).
///
/// # Errors
/// The system's error: there is no such interface, or it is not allowed.
pub fn bind_to_interface(fd: impl AsFd, name: &str) -> io::Result<()> {
    set_option(fd.as_fd(), libc::SO_BINDTODEVICE, name.as_bytes())
}

/// Sets or clears the flags of an interface (`IFF_UP` and so on, netdevice(7)) through rtnetlink.
///
/// # Errors
/// What the kernel says.
pub fn set_link_flags(index: u32, flags: u32, mask: u32) -> io::Result<()> {
    Netlink::route()?.change(&link_flags(index, flags, mask))
}

/// The request behind [`set_link_flags`].
pub fn link_flags(index: u32, flags: u32, mask: u32) -> Request {
    const SET_LINK: u16 = 19;
    let mut fixed = [0; 16];
    for (at, value) in [(4, index), (8, flags), (12, mask)] {
        if let Some(place) = fixed.get_mut(at..at + 4) {
            place.copy_from_slice(&u32::to_ne_bytes(value));
        }
    }
    Request::new(SET_LINK, 0, &fixed)
}

/// A socket below IP on one interface; the kernel makes and strips the link's header (packet(7), `SOCK_DGRAM`).
#[derive(Debug)]
pub struct Packet {
    socket: OwnedFd,
    index: i32,
    protocol: u16,
}

impl Packet {
    /// Opens it for one protocol: an Ethernet type such as `0x0800`.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(index: u32, protocol: u16) -> io::Result<Packet> {
        let socket = rustix::net::socket_with(
            AddressFamily::PACKET,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let index = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
        let packet = Packet {
            socket,
            index,
            protocol,
        };
        let address = packet.address(&[]);
        // SAFETY: a valid sockaddr_ll of exactly that length.
        let done = unsafe {
            libc::bind(
                packet.socket.as_raw_fd(),
                (&raw const address).cast(),
                LENGTH,
            )
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(packet)
    }

    fn address(&self, hardware: &[u8]) -> libc::sockaddr_ll {
        let mut place = [0; 8];
        for (to, from) in place.iter_mut().zip(hardware) {
            *to = *from;
        }
        libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: self.protocol.to_be(),
            sll_ifindex: self.index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: u8::try_from(hardware.len().min(8)).unwrap_or(8),
            sll_addr: place,
        }
    }

    /// Sends to a hardware address.
    ///
    /// # Errors
    /// The system's error.
    pub fn send(&self, hardware: &[u8], payload: &[u8]) -> io::Result<()> {
        let address = self.address(hardware);
        // SAFETY: the payload's pointer and length are those of a slice, the address is a valid sockaddr_ll of exactly
        // that length; both live through the call.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                payload.as_ptr().cast(),
                payload.len(),
                0,
                (&raw const address).cast(),
                LENGTH,
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Receives one packet: how long it is, and whether it was sent to this machine alone.
    ///
    /// # Errors
    /// The system's error; a caught signal is [`io::ErrorKind::Interrupted`].
    pub fn receive_from(&self, into: &mut [u8]) -> io::Result<(usize, bool)> {
        let mut address = self.address(&[]);
        let mut length = LENGTH;
        // SAFETY: the buffer's pointer and length are those of a slice; the address is a sockaddr_ll of the stated
        // length, which the call fills at most; all live through it.
        let count = unsafe {
            libc::recvfrom(
                self.socket.as_raw_fd(),
                into.as_mut_ptr().cast(),
                into.len(),
                0,
                (&raw mut address).cast(),
                &raw mut length,
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok((count, address.sll_pkttype == libc::PACKET_HOST))
    }

    /// Receives one packet: how long it is.
    ///
    /// # Errors
    /// The system's error; a caught signal is [`io::ErrorKind::Interrupted`].
    pub fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let (count, _) = rustix::net::recv(&self.socket, into, RecvFlags::empty())?;
        Ok(count)
    }
}

const LENGTH: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;

impl AsFd for Packet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_laid_out_as_netlink_has_it() {
        let mut request = Request::new(16, CREATE, &[1, 2, 3, 4]);
        request.attribute(3, b"lo\0").nest(18, |inner| {
            inner.attribute(1, b"veth");
        });
        let bytes = request.finish(7, ACKNOWLEDGE);
        assert_eq!(word(&bytes, 0) as usize, bytes.len());
        assert_eq!(bytes.len(), 16 + 4 + 8 + 4 + 8);
        assert_eq!(half(&bytes, 6), REQUEST | CREATE | ACKNOWLEDGE);
        assert_eq!(word(&bytes, 8), 7);
        let mut attributes = Attributes(&bytes[20..]);
        assert_eq!(attributes.next(), Some((3, &b"lo\0"[..])));
        let (kind, inner) = attributes.next().unwrap();
        assert_eq!(kind, 18);
        assert_eq!(Attributes(inner).find(1), Some(&b"veth"[..]));
        assert_eq!(attributes.next(), None);
    }

    #[test]
    fn hostile_answers_end_the_walk() {
        let mut messages = Vec::new();
        let mut bytes = Request::new(16, 0, &[0; 4]).finish(1, 0);
        bytes[0..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(split(&bytes, 1, &mut messages).is_err());
        bytes[0..4].copy_from_slice(&3u32.to_ne_bytes());
        assert!(split(&bytes, 1, &mut messages).is_err());
        assert!(!split(b"short", 1, &mut messages).unwrap());
        for bad in [&[0, 0, 0, 0][..], &[3, 0, 1, 0], &[200, 0, 1, 0, 9], &[8]] {
            assert_eq!(Attributes(bad).count(), 0);
        }
        let mut refused = Request::new(2, 0, &(-1i32).to_ne_bytes()).finish(1, 0);
        assert_eq!(
            split(&refused, 1, &mut messages)
                .unwrap_err()
                .raw_os_error(),
            Some(libc::EPERM)
        );
        // An answer to somebody else's question is not ours.
        refused[8] = 9;
        assert!(!split(&refused, 1, &mut messages).unwrap());
    }

    #[test]
    fn the_kernel_tells_of_its_interfaces() {
        let mut netlink = Netlink::route().unwrap();
        let links = netlink.dump(&Request::new(18, 0, &[0; 16])).unwrap();
        assert!(
            links
                .iter()
                .any(|link| link.attributes(16).find(3) == Some(b"lo\0"))
        );
    }
}
