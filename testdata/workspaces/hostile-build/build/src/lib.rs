//! Its build script is the point.
