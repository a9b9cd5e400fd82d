//! Names of files, as clients give them.

use gannet::{Result, Status};
use gannet_types::BadRequest;

/// What file systems take for one name.
const MAX_BYTES: usize = 255;

/// Whether this can be the name of a file. It never becomes a path here, but it may at whoever downloads the file.
///
/// # Errors
/// INVALID_ARGUMENT that says what is wrong with it.
pub(super) fn check(name: &str) -> Result<()> {
    let wrong = match name {
        "" => "is empty: the first chunk must have it",
        "." | ".." => "names a folder",
        _ if name.contains(['/', '\\']) => "contains a separator of folders",
        _ if name.contains('\0') => "contains NUL",
        _ if name.len() > MAX_BYTES => "is longer than 255 bytes",
        _ => return Ok(()),
    };
    Err(Status::invalid_argument(format!("filename {wrong}"))
        .with_detail(BadRequest::violation("filename", wrong)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gannet::Code;

    #[test]
    fn names() {
        let longest = "n".repeat(255);
        for good in ["a", "a.txt", "..a", "a..b", "...", " ", "ä € 🐦", "a:b*?", &longest] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        let too_long = "n".repeat(256);
        for bad in ["", ".", "..", "/", "/etc/passwd", "../a", "a/..", "a\\b", "..\\a", "a\0.txt", &too_long]
        {
            let status = check(bad).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}");
            assert_eq!(status.detail::<BadRequest>().unwrap().field_violations[0].field, "filename");
        }
    }
}
