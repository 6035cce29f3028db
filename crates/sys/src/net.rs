//! Netlink, interface ioctls and raw sockets.
