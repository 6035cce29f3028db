//! What applets share: arguments and usage, errors, buffered output, copying.
