//! Early userspace: the initramfs /init.
