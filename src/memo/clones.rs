//! What clones of a project differ by.

use crate::profiles::attributes::is_of_system;
use crate::record::Places;
use std::path::Path;

/// The directory by which clones of a project differ: the highest one above its root that is not the same for all of them.
/// Output that contains the path of the root contains this path too, and so does output that shows another directory above
/// the root, or what lies beside it.
pub(super) fn place(places: &Places) -> &Path {
    let root = places.root.as_path();
    let is_for_all = |above: &Path| {
        let is_of_home = places.home.as_deref().is_some_and(|home| home.starts_with(above));
        let is_temporary = ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|shared| above == Path::new(shared));
        above.components().count() < 3 || is_of_home || is_temporary || is_of_system(above)
    };
    root.ancestors().take_while(|above| !is_for_all(above)).last().unwrap_or(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_project_is_what_its_clones_differ_by() {
        for (root, home, expected) in [
            ("/home/u/p", "/home/u", "/home/u/p"),
            ("/home/u/a/b/p", "/home/u", "/home/u/a"),
            ("/srv/git/p", "/home/u", "/srv/git"),
            ("/srv/p", "/home/u", "/srv/p"),
            ("/p", "/home/u", "/p"),
            ("/var/tmp/x/p", "/root", "/var/tmp/x"),
            ("/tmp/p", "/root", "/tmp/p"),
            ("/", "/root", "/"),
        ] {
            let places = Places { root: root.into(), home: Some(home.into()) };
            assert_eq!(place(&places), Path::new(expected), "{root}");
        }
    }
}
