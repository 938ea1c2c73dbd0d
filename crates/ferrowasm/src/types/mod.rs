//! The types of WebAssembly values and objects (placeholder).
