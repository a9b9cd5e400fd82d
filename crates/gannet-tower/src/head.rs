//! The heads of a call as `http` has them, there and back.

use gannet::{Call, Code, Metadata, MetadataEntry, Result, Status};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The head of the call's request: POST, the method's path, the metadata.
pub(crate) fn request(call: &Call) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = http::Uri::from_static(call.spec().path);
    *request.headers_mut() = headers(call.metadata());
    request.extensions_mut().insert(call.spec());
    request.extensions_mut().insert(call.peer().clone());
    request
}

/// The text values. Bytes (`-bin`) are the application's and stay with the call.
fn headers(metadata: &Metadata) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for entry in metadata {
        let MetadataEntry::Text(name, value) = entry else { continue };
        // Both were checked when the metadata was made or received; the two crates agree on what is allowed.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// Brings what the layers changed in the request's head into the call.
pub(crate) fn apply_request(call: &mut Call, changed: &HeaderMap) -> Result<()> {
    let before = headers(call.metadata());
    for name in before.keys().filter(|name| !changed.contains_key(*name)) {
        call.metadata_mut().remove(name.as_str());
    }
    for name in changed.keys() {
        if before.get_all(name) == changed.get_all(name) {
            continue;
        }
        call.metadata_mut().remove(name.as_str());
        for value in changed.get_all(name) {
            call.metadata_mut().append(name.as_str(), text(name, value)?)?;
        }
    }
    Ok(())
}

/// Brings the fields that the layers added to the response's head into the call.
pub(crate) fn apply_response(call: &mut Call, headers: &HeaderMap) -> Result<()> {
    for (name, value) in headers {
        if *name != GRPC_STATUS && *name != GRPC_MESSAGE {
            call.set_header(name.as_str(), text(name, value)?)?;
        }
    }
    Ok(())
}

fn text<'a>(name: &HeaderName, value: &'a HeaderValue) -> Result<&'a str> {
    value.to_str().map_err(|error| {
        Status::internal(format!("a layer set {name} to what is no text")).with_source(error)
    })
}

/// How a call ended, as a head: layers that classify gRPC answers find `grpc-status` there.
pub(crate) fn response<T>(result: &Result<T>) -> Response<()> {
    let mut response = Response::new(());
    *response.version_mut() = Version::HTTP_2;
    let code = result.as_ref().err().map_or(0, |status| status.code().number());
    response.headers_mut().insert(GRPC_STATUS, HeaderValue::from(code));
    response
}

/// The status of an answer that a layer gave by itself.
pub(crate) fn status_of(response: &Response<()>) -> Status {
    let headers = response.headers();
    let code = field(headers, &GRPC_STATUS).and_then(|code| code.parse().ok()).and_then(Code::from_number);
    let code = code.unwrap_or_else(|| Code::from_http_status(response.status().as_u16()));
    match field(headers, &GRPC_MESSAGE) {
        Some(message) => Status::new(code, message.to_owned()),
        None => Status::new(code, format!("a layer answered with HTTP status {}", response.status())),
    }
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
