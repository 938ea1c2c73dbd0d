//! What every type class does alike.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Python wants one hash for all equal values, whatever engine they come from: the value's own `Hash` sees to that.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Gives a class with a field `value: Managed<$value>`, where `$value: Clone + Eq + Hash + Display`, the behaviour of a
/// value: equality, hash, a text in the WebAssembly text format, copies that are closed on their own, `close()` and
/// `with`.
macro_rules! type_class {
    ($class:ident, $value:ty) => {
        impl $class {
            pub(super) fn from_value(value: $value) -> $class {
                $class { value: crate::managed::Managed::new(stringify!($class), value) }
            }

            fn close_native(&self, _py: pyo3::Python<'_>) -> pyo3::PyResult<()> {
                self.value.close();
                Ok(())
            }
        }

        crate::managed::managed!($class);

        #[pyo3::pymethods]
        impl $class {
            fn __eq__(&self, other: &Self) -> pyo3::PyResult<bool> {
                Ok(self.value.get()? == other.value.get()?)
            }

            fn __hash__(&self) -> pyo3::PyResult<u64> {
                Ok($crate::types::class::hash_of(self.value.get()?))
            }

            fn __repr__(&self) -> String {
                match self.value.get() {
                    Ok(value) => value.to_string(),
                    Err(_) => concat!("<", stringify!($class), " (closed)>").to_owned(),
                }
            }

            fn __copy__(&self) -> pyo3::PyResult<$class> {
                Ok($class::from_value(self.value.get()?.clone()))
            }

            fn __deepcopy__(&self, _memo: &pyo3::Bound<'_, pyo3::PyAny>) -> pyo3::PyResult<$class> {
                self.__copy__()
            }
        }
    };
}

pub(crate) use type_class;
