//! PID 1 and the service manager.
