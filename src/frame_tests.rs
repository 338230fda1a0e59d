//! Property tests of frames.
