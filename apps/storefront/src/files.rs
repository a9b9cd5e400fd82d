//! FileService.
