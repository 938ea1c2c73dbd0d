//! Values that outlive a root scope: what crosses between a fiber and the ordinary stack.

use wasmtime::{AnyRef, AsContextMut, ExnRef, ExternRef, OwnedRooted, Result, StoreContextMut, Val};

use crate::store::Data;

/// A `Val` whose reference, if it is one, keeps its object alive by itself.
pub(crate) enum OwnedVal {
    /// A number, a vector, a null or a function: nothing that the engine's collector moves.
    Plain(Val),
    Extern(OwnedRooted<ExternRef>),
    Any(OwnedRooted<AnyRef>),
    Exn(OwnedRooted<ExnRef>),
}

impl OwnedVal {
    pub(crate) fn new(ctx: &mut StoreContextMut<'_, Data>, value: &Val) -> Result<OwnedVal> {
        Ok(match value {
            Val::ExternRef(Some(reference)) => OwnedVal::Extern(reference.to_owned_rooted(ctx)?),
            Val::AnyRef(Some(reference)) => OwnedVal::Any(reference.to_owned_rooted(ctx)?),
            Val::ExnRef(Some(reference)) => OwnedVal::Exn(reference.to_owned_rooted(ctx)?),
            other => OwnedVal::Plain(*other),
        })
    }

    /// The value, rooted in the innermost scope of the context.
    pub(crate) fn get(&self, mut ctx: impl AsContextMut<Data = Data>) -> Val {
        match self {
            OwnedVal::Plain(value) => *value,
            OwnedVal::Extern(reference) => Val::ExternRef(Some(reference.to_rooted(&mut ctx))),
            OwnedVal::Any(reference) => Val::AnyRef(Some(reference.to_rooted(&mut ctx))),
            OwnedVal::Exn(reference) => Val::ExnRef(Some(reference.to_rooted(&mut ctx))),
        }
    }
}
