use super::*;
use crate::reflection::generated::gannet::reflection::File;
use gannet::buffa::Message as _;
use gannet::codegen::unknown_method;
use gannet::{Channel, Code, Server};
use std::path::Path;

/// A service that is known by its descriptors alone.
struct Described(&'static ServiceSpec);

impl Service for Described {
    fn spec(&self) -> &'static ServiceSpec {
        self.0
    }

    fn call<'a>(&'a self, _method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        unknown_method(call)
    }
}

/// `shop.Orders` of `tests/proto/shop/orders.proto`.
fn orders() -> Described {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
    let mut compiler = protox::Compiler::new([include]).unwrap();
    compiler.include_imports(true).open_file("shop/orders.proto").unwrap();
    let descriptors = compiler.encode_file_descriptor_set().leak();
    described(ServiceSpec { name: "shop.Orders", file: "shop/orders.proto", methods: &[], descriptors })
}

fn described(spec: ServiceSpec) -> Described {
    Described(Box::leak(Box::new(spec)))
}

/// The answers to these questions on one stream, as lines.
async fn ask(asked: impl IntoIterator<Item = MessageRequest>) -> Vec<String> {
    let reflection = Reflection::new().files(gannet_types::DESCRIPTORS).files(b"\xff");
    let broken = described(ServiceSpec {
        name: "broken.Service",
        file: "broken.proto",
        methods: &[],
        descriptors: b"\xff",
    });
    let server = Server::new().add(orders()).add(broken).add(reflection.v1()).add(reflection.v1alpha());
    let client = ServerReflectionClient::new(Channel::to_server(server));
    let (mut requests, mut responses) = client.server_reflection_info().await.unwrap();
    let mut lines = Vec::new();
    for message_request in asked {
        let request = ServerReflectionRequest {
            host: "shop.example".to_owned(),
            message_request: Some(message_request),
            ..Default::default()
        };
        requests.send(request.clone()).await.unwrap();
        let response = responses.next().await.unwrap().unwrap();
        assert_eq!(response.valid_host, "shop.example");
        assert_eq!(response.original_request.as_option(), Some(&request));
        lines.push(line(response.message_response.unwrap()));
    }
    requests.finish();
    assert!(responses.next().await.unwrap().is_none());
    lines
}

fn line(response: MessageResponse) -> String {
    match response {
        MessageResponse::FileDescriptorResponse(files) => {
            let name = |encoded: &bytes::Bytes| File::decode(&mut encoded.clone()).unwrap().name;
            files.file_descriptor_proto.iter().map(name).collect::<Vec<_>>().join(" ")
        }
        MessageResponse::AllExtensionNumbersResponse(numbers) => {
            format!("{} {:?}", numbers.base_type_name, numbers.extension_number)
        }
        MessageResponse::ListServicesResponse(list) => {
            list.service.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(" ")
        }
        MessageResponse::ErrorResponse(error) => {
            let code = Code::from_number(error.error_code as u32).unwrap();
            format!("{}: {}", code.name(), error.error_message)
        }
    }
}

fn by_name(name: &str) -> MessageRequest {
    MessageRequest::FileByFilename(name.to_owned())
}

fn by_symbol(symbol: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(symbol.to_owned())
}

fn by_extension(containing_type: &str, extension_number: i32) -> MessageRequest {
    ExtensionRequest { containing_type: containing_type.to_owned(), extension_number, ..Default::default() }
        .into()
}

fn numbers_of(message: &str) -> MessageRequest {
    MessageRequest::AllExtensionNumbersOfType(message.to_owned())
}

const ORDERS: &str = "shop/orders.proto shop/goods.proto google/protobuf/timestamp.proto";
const GOODS: &str = "shop/goods.proto google/protobuf/timestamp.proto";

#[tokio::test]
async fn each_question_has_its_answer() {
    let cases = [
        (
            MessageRequest::ListServices("*".to_owned()),
            "broken.Service grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection shop.Orders",
        ),
        // Files, as imports name them.
        (by_name("shop/orders.proto"), ORDERS),
        (by_name("shop/goods.proto"), GOODS),
        (by_name("google/protobuf/timestamp.proto"), "google/protobuf/timestamp.proto"),
        (by_name("grpc/reflection/v1alpha/reflection.proto"), "grpc/reflection/v1alpha/reflection.proto"),
        (by_name("orders.proto"), "NOT_FOUND: no file \"orders.proto\" is known"),
        (by_name("broken.proto"), "NOT_FOUND: no file \"broken.proto\" is known"),
        // Symbols: all that a file gives a full name to.
        (by_symbol("shop.Orders"), ORDERS),
        (by_symbol("shop.Orders.Order"), ORDERS),
        (by_symbol("shop.Receipt.Line"), ORDERS),
        (by_symbol("shop.Receipt.Line.good"), ORDERS),
        (by_symbol("shop.Receipt.paid"), ORDERS),
        (by_symbol("shop.Receipt.Kind"), ORDERS),
        (by_symbol("shop.Receipt.PAPER"), ORDERS),
        (by_symbol("shop.Good"), GOODS),
        (by_symbol("shop.Good.colour"), GOODS),
        (by_symbol("shop.weight"), GOODS),
        (by_symbol("google.protobuf.Timestamp"), "google/protobuf/timestamp.proto"),
        (by_symbol("shop"), "NOT_FOUND: no symbol \"shop\" is known"),
        (by_symbol(""), "NOT_FOUND: no symbol \"\" is known"),
        // Files that no service brings.
        (
            by_symbol("google.rpc.BadRequest.FieldViolation"),
            "google/rpc/error_details.proto google/protobuf/duration.proto",
        ),
        (by_name("google/rpc/status.proto"), "google/rpc/status.proto google/protobuf/any.proto"),
        // Extensions.
        (by_extension("shop.Good", 100), GOODS),
        (by_extension("shop.Good", 101), GOODS),
        (by_extension("shop.Good", 102), "NOT_FOUND: no extension 102 of a message \"shop.Good\" is known"),
        (by_extension("no.Such", 1), "NOT_FOUND: no extension 1 of a message \"no.Such\" is known"),
        (numbers_of("shop.Good"), "shop.Good [100, 101]"),
        (numbers_of("shop.Receipt"), "shop.Receipt []"),
        (numbers_of("no.Such"), "NOT_FOUND: no message \"no.Such\" is known"),
    ];
    for (asked, expected) in cases {
        assert_eq!(ask([asked.clone()]).await, [expected], "{asked:?}");
    }
}

#[tokio::test]
async fn an_import_is_sent_once_on_a_stream_and_a_file_whenever_it_is_asked_for() {
    let asked =
        [by_symbol("shop.Good"), by_symbol("shop.Orders"), by_name("shop/goods.proto"), by_name("no")];
    let answers = ask(asked).await;
    assert_eq!(
        answers,
        [GOODS, "shop/orders.proto", "shop/goods.proto", "NOT_FOUND: no file \"no\" is known"]
    );
}

#[tokio::test]
async fn a_question_without_a_question_is_an_error_and_the_stream_goes_on() {
    let reflection = Reflection::new();
    let client = ServerReflectionClient::new(Channel::to_server(Server::new().add(reflection.v1())));
    let (mut requests, mut responses) = client.server_reflection_info().await.unwrap();
    for _ in 0..2 {
        requests.send(ServerReflectionRequest::default()).await.unwrap();
        let response = responses.next().await.unwrap().unwrap().message_response.unwrap();
        assert_eq!(line(response), "INVALID_ARGUMENT: the request asks for nothing that is known here");
    }
}

#[tokio::test]
async fn v1alpha_answers_its_own_clients() {
    let reflection = Reflection::new();
    let server = Server::new().add(orders()).add(reflection.v1alpha());
    let client = v1alpha::ServerReflectionClient::new(Channel::to_server(server));
    let (mut requests, mut responses) = client.server_reflection_info().await.unwrap();
    let asked =
        v1alpha::__buffa::oneof::server_reflection_request::MessageRequest::ListServices("*".to_owned());
    let request = v1alpha::ServerReflectionRequest { message_request: Some(asked), ..Default::default() };
    requests.send(request).await.unwrap();
    let response = responses.next().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::__buffa::oneof::server_reflection_response::MessageResponse::ListServicesResponse(list) =
        response
    else {
        panic!("{response:?}");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["grpc.reflection.v1alpha.ServerReflection", "shop.Orders"]);
}
