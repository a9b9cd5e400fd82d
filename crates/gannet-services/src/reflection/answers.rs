//! The answers on one stream.

use super::index::Index;
use super::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, MessageRequest,
    MessageResponse, ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use gannet::Code;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// What one client was told.
pub(super) struct Answers {
    index: Arc<Index>,
    /// Files that the client has, which need not be sent again as another's import.
    sent: HashSet<usize>,
}

impl Answers {
    pub(super) fn new(index: Arc<Index>) -> Self {
        Self { index, sent: HashSet::new() }
    }

    pub(super) fn answer(&mut self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let message_response = match &request.message_request {
            Some(asked) => self.answer_to(asked),
            None => error(Code::InvalidArgument, "the request asks for nothing that is known here"),
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            message_response: Some(message_response),
            original_request: request.into(),
            ..Default::default()
        }
    }

    fn answer_to(&mut self, asked: &MessageRequest) -> MessageResponse {
        match asked {
            MessageRequest::FileByFilename(name) => {
                self.file(self.index.file(name), || format!("no file {name:?} is known"))
            }
            MessageRequest::FileContainingSymbol(symbol) => {
                self.file(self.index.file_of_symbol(symbol), || format!("no symbol {symbol:?} is known"))
            }
            MessageRequest::FileContainingExtension(extension) => {
                let (message, number) = (&extension.containing_type, extension.extension_number);
                self.file(self.index.file_of_extension(message, number), || {
                    format!("no extension {number} of a message {message:?} is known")
                })
            }
            MessageRequest::AllExtensionNumbersOfType(message) => self.extension_numbers(message),
            MessageRequest::ListServices(_) => self.services(),
        }
    }

    /// The file, then the files that it imports, directly or by way of another, and that this client does not have:
    /// one answer is all that a client needs to make sense of a file.
    fn file(&mut self, file: Option<usize>, missing: impl FnOnce() -> String) -> MessageResponse {
        let Some(file) = file else { return error(Code::NotFound, &missing()) };
        self.sent.insert(file);
        let mut response = FileDescriptorResponse::default();
        let mut queue = VecDeque::from([file]);
        while let Some(file) = queue.pop_front() {
            response.file_descriptor_proto.push(self.index.encoded(file));
            queue.extend(self.index.imports(file).filter(|import| self.sent.insert(*import)));
        }
        response.into()
    }

    fn extension_numbers(&self, message: &str) -> MessageResponse {
        match self.index.extension_numbers(message) {
            Some(extension_number) => ExtensionNumberResponse {
                base_type_name: message.to_owned(),
                extension_number,
                ..Default::default()
            }
            .into(),
            None => error(Code::NotFound, &format!("no message {message:?} is known")),
        }
    }

    fn services(&self) -> MessageResponse {
        let response = |name: &&str| ServiceResponse { name: (*name).to_owned(), ..Default::default() };
        let service = self.index.services().iter().map(response).collect();
        ListServiceResponse { service, ..Default::default() }.into()
    }
}

fn error(code: Code, text: &str) -> MessageResponse {
    let error_code = code.number() as i32;
    ErrorResponse { error_code, error_message: text.to_owned(), ..Default::default() }.into()
}
