//! Values by type, from interceptors to handlers.

use std::any::{Any, TypeId};
use std::collections::HashMap;

/// One value of each type; allocates nothing while it is empty.
///
/// ```
/// #[derive(Debug, PartialEq)]
/// struct Tenant(u32);
///
/// let mut extensions = gannet::Extensions::default();
/// extensions.insert(Tenant(7));
/// assert_eq!(extensions.get::<Tenant>(), Some(&Tenant(7)));
/// ```
#[derive(Default)]
#[expect(clippy::box_collection, reason = "one pointer in every call, most of which have no extensions")]
pub struct Extensions(Option<Box<HashMap<TypeId, Box<dyn Any + Send + Sync>>>>);

impl Extensions {
    /// Puts a value in and gives back the one that it replaces.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let replaced = self.0.get_or_insert_default().insert(TypeId::of::<T>(), Box::new(value))?;
        replaced.downcast().ok().map(|replaced| *replaced)
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The value of this type, to change it.
    pub fn get_mut<T: Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.0.as_mut()?.get_mut(&TypeId::of::<T>())?.downcast_mut()
    }

    /// Takes the value of this type out.
    pub fn remove<T: Send + Sync + 'static>(&mut self) -> Option<T> {
        self.0.as_mut()?.remove(&TypeId::of::<T>())?.downcast().ok().map(|value| *value)
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extensions({})", self.0.as_ref().map_or(0, |values| values.len()))
    }
}
