//! The storage seam: everything that the log does to files goes through [`Storage`], so that tests can tear a write.
