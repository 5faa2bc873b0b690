//! Starts, kills and restarts Hierophant's real binaries in tests.
