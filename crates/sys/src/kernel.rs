//! Modules, mounts, loop devices, reboot, the console.
