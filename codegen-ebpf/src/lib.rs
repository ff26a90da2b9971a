//! Placeholder map; replaced with the first module.
