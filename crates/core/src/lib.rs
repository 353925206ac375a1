//! The heart.
