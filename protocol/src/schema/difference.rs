//! The first thing two schemas disagree about, in words for the person who has to mend it.

use super::{BlobSchema, ColumnSchema, ComponentId, ComponentSchema, Schema, Shape};
use crate::{error::ApiMisuse, replicate::Replicate};

impl Schema {
    /// The component that can be read as a `T`: the one of its name, if it begins with the same fields.
    ///
    /// Cost: about a microsecond, for the type's fields are described anew.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`], which names the first field that differs, or says that there is no such component.
    pub fn component_of<T: Replicate>(&self) -> Result<ComponentId, ApiMisuse> {
        let found = self
            .component(T::NAME)
            .ok_or_else(|| ApiMisuse::Schema(format!("there is no component {}", T::NAME)))?;
        self.components[usize::from(found.0)].check_begins_with::<T>()?;
        Ok(found)
    }

    /// Names the first component or field in which two schemas differ; `None` when they are equal.
    ///
    /// ```
    /// use tickwire_protocol::{replicate::Replicate, schema::Schema};
    ///
    /// mod old { #[derive(tickwire_protocol::replicate::Replicate)] pub struct Health { pub points: u8 } }
    /// mod new { #[derive(tickwire_protocol::replicate::Replicate)] pub struct Health { pub points: u16 } }
    ///
    /// let (mut ours, mut theirs) = (Schema::new(), Schema::new());
    /// ours.add_component(new::Health::schema())?;
    /// theirs.add_component(old::Health::schema())?;
    /// let difference = ours.first_difference(&theirs).expect("they differ");
    /// assert!(difference.starts_with("Health.points"), "{difference}");
    /// # Ok::<(), tickwire_protocol::error::ApiMisuse>(())
    /// ```
    #[must_use]
    pub fn first_difference(&self, theirs: &Self) -> Option<String> {
        lists(
            &self.components,
            &theirs.components,
            "component",
            |ours| &ours.name,
            component,
        )
        .or_else(|| match (&self.input, &theirs.input) {
            (Some(ours), Some(theirs)) if ours.name != theirs.name => {
                Some(format!("input: {} here, {} there", ours.name, theirs.name))
            }
            (Some(ours), Some(theirs)) => component(ours, theirs),
            (None, None) => None,
            (ours, _) => Some(format!(
                "input: {} end has one",
                if ours.is_some() {
                    "only this"
                } else {
                    "only the other"
                }
            )),
        })
        .or_else(|| {
            lists(
                &self.events,
                &theirs.events,
                "event",
                |event| &event.name,
                |ours, theirs| {
                    (ours != theirs).then(|| {
                        format!(
                            "event {}: {:?} here, {:?} there",
                            ours.name, ours.direction, theirs.direction
                        )
                    })
                },
            )
        })
    }
}

impl ComponentSchema {
    /// Whether values of `T` are what this describes, to the last field.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`], which names the first field that differs.
    pub fn check_is<T: Replicate>(&self) -> Result<(), ApiMisuse> {
        differs::<T>(shape(&T::schema().shape, &self.shape))
    }

    /// Whether it can be read as a `T`: it begins with the fields of that.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`], which names the first field that differs.
    fn check_begins_with<T: Replicate>(&self) -> Result<(), ApiMisuse> {
        let ours = T::schema().shape;
        let mut theirs = self.shape.clone();
        theirs.columns.truncate(ours.columns.len());
        theirs.blobs.truncate(ours.blobs.len());
        // How the next value is guessed makes no difference to who reads one.
        for (their, our) in theirs.columns.iter_mut().zip(&ours.columns) {
            their.predict = our.predict;
        }
        differs::<T>(shape(&ours, &theirs))
    }
}

fn differs<T: Replicate>(difference: Option<String>) -> Result<(), ApiMisuse> {
    difference.map_or(Ok(()), |what| {
        Err(ApiMisuse::Schema(format!("{}.{what}", T::NAME)))
    })
}

fn component(ours: &ComponentSchema, theirs: &ComponentSchema) -> Option<String> {
    if ours.rules != theirs.rules {
        return Some(format!(
            "{}: {:?} here, {:?} there",
            ours.name, ours.rules, theirs.rules
        ));
    }
    shape(&ours.shape, &theirs.shape).map(|what| format!("{}.{what}", ours.name))
}

fn shape(ours: &Shape, theirs: &Shape) -> Option<String> {
    let column = |ours: &ColumnSchema, theirs: &ColumnSchema| {
        (ours != theirs).then(|| {
            format!(
                "{}: {:?} of {} bits, {:?} here, {:?} of {} bits, {:?} there",
                ours.path,
                ours.kind,
                ours.bits,
                ours.predict,
                theirs.kind,
                theirs.bits,
                theirs.predict
            )
        })
    };
    let blob = |ours: &BlobSchema, theirs: &BlobSchema| {
        (ours != theirs).then(|| {
            format!(
                "{}: {:?} here, {:?} there",
                ours.path, ours.kind, theirs.kind
            )
        })
    };
    lists(
        &ours.columns,
        &theirs.columns,
        "field",
        |column| &column.path,
        column,
    )
    .or_else(|| lists(&ours.blobs, &theirs.blobs, "field", |blob| &blob.path, blob))
}

/// The first place where two lists part: by name, by content, or by length.
fn lists<T>(
    ours: &[T],
    theirs: &[T],
    what: &str,
    name: impl Fn(&T) -> &String,
    differ: impl Fn(&T, &T) -> Option<String>,
) -> Option<String> {
    for (place, (our, their)) in ours.iter().zip(theirs).enumerate() {
        if name(our) != name(their) {
            return Some(format!(
                "{}: {what} {} here, {} there",
                name(our),
                place + 1,
                name(their)
            ));
        }
        if let Some(difference) = differ(our, their) {
            return Some(difference);
        }
    }
    let shared = ours.len().min(theirs.len());
    match (ours.get(shared), theirs.get(shared)) {
        (Some(our), _) => Some(format!("{}: {what} only here", name(our))),
        (_, Some(their)) => Some(format!("{}: {what} only there", name(their))),
        (None, None) => None,
    }
}
