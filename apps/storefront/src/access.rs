//! What callers may do, where the server wants tokens: who may call which method, in one table.

use gannet::{Answer, Call, Interceptor, Next, Result, Status};
use gannet_auth::Claims;

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody, without a token.
    Anyone,
    /// Whoever brings a good token.
    Caller,
    /// Whoever brings a good token, for what is theirs; ADMIN for everything. The handler knows whose it is (`own`).
    Owner,
    /// Whoever has the role ADMIN.
    Admin,
}

/// Every method, or the services that end with `/`. What is not here nobody may call.
pub const TABLE: [(&str, Who); 20] = [
    // A user with another role than ROLE_USER is made by ADMIN alone.
    ("/user.v1.UserService/CreateUser", Who::Caller),
    ("/user.v1.UserService/GetUser", Who::Caller),
    // The user of the request is the caller.
    ("/user.v1.UserService/UpdateUser", Who::Owner),
    ("/user.v1.UserService/DeleteUser", Who::Admin),
    ("/user.v1.UserService/ListUsers", Who::Admin),
    ("/user.v1.UserService/BatchCreateUsers", Who::Admin),
    ("/user.v1.UserService/UserChat", Who::Caller),
    // The order is for the caller, or was.
    ("/order.v1.OrderService/CreateOrder", Who::Owner),
    ("/order.v1.OrderService/GetOrder", Who::Owner),
    ("/order.v1.OrderService/WatchOrder", Who::Owner),
    ("/order.v1.OrderService/UpdateOrderStatus", Who::Admin),
    ("/order.v1.OrderService/ImportOrders", Who::Admin),
    ("/order.v1.OrderService/MatchOrders", Who::Caller),
    ("/file.v1.FileService/UploadFile", Who::Caller),
    // Who has a file's id was given it.
    ("/file.v1.FileService/DownloadFile", Who::Caller),
    // Each message is in the caller's name.
    ("/chat.v1.ChatService/Chat", Who::Owner),
    // What load balancers and tools ask before they have a token; it says nothing of users.
    ("/grpc.health.v1.Health/", Who::Anyone),
    ("/grpc.reflection.v1.ServerReflection/", Who::Anyone),
    ("/grpc.reflection.v1alpha.ServerReflection/", Who::Anyone),
    // It says who is connected.
    ("/grpc.channelz.v1.Channelz/", Who::Admin),
];

/// Who may call the method at this path.
#[must_use]
pub fn who(path: &str) -> Option<Who> {
    let is_it = |named: &str| path == named || named.ends_with('/') && path.starts_with(named);
    TABLE.iter().find(|(named, _)| is_it(named)).map(|(_, who)| *who)
}

/// Holds calls to the table, by the claims of their tokens.
#[derive(Clone, Copy, Debug)]
pub struct Access;

/// Who calls, where the server wants tokens.
#[derive(Clone, Debug)]
struct Caller {
    subject: Option<String>,
    is_admin: bool,
}

/// The role that may do everything, in the claim [`ROLES`].
pub const ADMIN: &str = "ADMIN";
/// The claim that lists a caller's roles.
pub const ROLES: &str = "roles";

impl Interceptor for Access {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let caller = call.extensions().get::<Claims>().map(Caller::of);
        let is_admin = caller.as_ref().is_some_and(|caller| caller.is_admin);
        match who(call.spec().path) {
            Some(Who::Anyone) => {}
            Some(Who::Caller | Who::Owner) if caller.is_some() => {}
            Some(Who::Admin) if is_admin => {}
            Some(Who::Admin) => return Err(denied("it needs the role ADMIN")),
            _ => return Err(denied("the table of methods does not allow it")),
        }
        // Handlers that find no caller let everything pass: what is open has none to ask for.
        caller.into_iter().for_each(|caller| drop(call.extensions_mut().insert(caller)));
        next.run(call).await
    }
}

impl Caller {
    fn of(claims: &Claims) -> Self {
        let subject = claims.subject().filter(|subject| !subject.is_empty()).map(str::to_owned);
        Self { subject, is_admin: claims.has(ROLES, ADMIN) }
    }
}

/// Whether only what is the caller's own is open to this call: the server wants tokens, and it is no ADMIN's.
pub(crate) fn is_limited(call: &Call) -> bool {
    call.extensions().get::<Caller>().is_some_and(|caller| !caller.is_admin)
}

/// Whether the call may act for this user, or on what is theirs; an id that is empty is nobody's.
///
/// # Errors
/// PERMISSION_DENIED.
pub(crate) fn own(call: &Call, user_id: &str) -> Result<()> {
    let subject = call.extensions().get::<Caller>().and_then(|caller| caller.subject.as_deref());
    if !is_limited(call) || subject == Some(user_id) {
        return Ok(());
    }
    Err(denied("it is for another user, or for what is another user's"))
}

/// Whether the call may do what only ADMIN does.
///
/// # Errors
/// PERMISSION_DENIED.
pub(crate) fn admin(call: &Call) -> Result<()> {
    if is_limited(call) { Err(denied("it needs the role ADMIN")) } else { Ok(()) }
}

/// The reason is for the log. A client that is told it learns what is there and how near it came.
fn denied(reason: &'static str) -> Status {
    Status::permission_denied("this call is not allowed to you; an administrator can make it")
        .with_source(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::chat::v1::CHAT_SERVICE;
    use crate::proto::file::v1::FILE_SERVICE;
    use crate::proto::order::v1::ORDER_SERVICE;
    use crate::proto::user::v1::USER_SERVICE;

    /// A method that is added to a .proto and not here would be closed to everyone.
    #[test]
    fn the_table_has_every_method_and_no_other() {
        let services = [&USER_SERVICE, &ORDER_SERVICE, &FILE_SERVICE, &CHAT_SERVICE];
        let methods: Vec<&str> =
            services.iter().flat_map(|service| service.methods).map(|method| method.path).collect();
        for path in &methods {
            assert!(TABLE.iter().any(|(named, _)| named == path), "{path} is not in the table");
        }
        assert_eq!(TABLE.iter().filter(|(path, _)| !path.ends_with('/')).count(), methods.len());
    }

    #[test]
    fn what_is_open_and_what_nobody_may() {
        assert_eq!(who("/grpc.health.v1.Health/Watch"), Some(Who::Anyone));
        assert_eq!(who("/user.v1.UserService/DeleteUser"), Some(Who::Admin));
        assert_eq!(who("/grpc.channelz.v1.Channelz/GetServers"), Some(Who::Admin));
        for unknown in
            ["/user.v1.UserService/DeleteUsers", "/user.v1.UserService/", "/grpc.health.v1.Healthy/Check"]
        {
            assert_eq!(who(unknown), None, "{unknown}");
        }
    }
}
