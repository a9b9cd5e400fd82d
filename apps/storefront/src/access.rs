//! What callers may do, where the server wants tokens: who may call which method, in one table.

use crate::proto::user::v1::Role;
use crate::store::Store;
use crate::users::{Standing, standing};
use gannet::{Answer, Call, Interceptor, Next, Result, ResultExt, Status};
use gannet_auth::{Claims, Refusal};

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

/// Holds calls to the table, by the claims of their tokens and by what the database says of the subject: a token is older
/// than the call, and the user it names may be gone or have another role since. It is asked for each call, so that what
/// has changed holds from the next call on.
#[derive(Clone, Debug)]
pub struct Access {
    store: Store,
}

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

impl Access {
    /// With the users of this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Who calls, with the rights that both the token and the database give.
    async fn caller(&self, claims: &Claims) -> Result<Caller> {
        let subject = claims.subject().filter(|subject| !subject.is_empty()).map(str::to_owned);
        let standing = match &subject {
            Some(subject) => {
                standing(&self.store.readers, subject).await.internal("looking the caller up")?
            }
            None => Standing::Stranger,
        };
        let may_be_admin = match standing {
            // Its words are those for every token that is not valid.
            Standing::Removed => {
                let refusal = Status::unauthenticated(Refusal::Invalid.to_string());
                return Err(refusal.with_source("the user that it names was deleted"));
            }
            Standing::User(role) => role == Role::Admin,
            // Whoever signs tokens vouches for those who are no users: operators, other programs.
            Standing::Stranger => true,
        };
        Ok(Caller { subject, is_admin: may_be_admin && claims.has(ROLES, ADMIN) })
    }
}

impl Interceptor for Access {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let who = who(call.spec().path);
        if who == Some(Who::Anyone) {
            return next.run(call).await;
        }
        let (Some(who), Some(claims)) = (who, call.extensions().get::<Claims>()) else {
            return Err(denied("the table of methods does not allow it"));
        };
        let caller = self.caller(claims).await?;
        if who == Who::Admin && !caller.is_admin {
            return Err(denied("it needs the role ADMIN"));
        }
        // Handlers that find no caller let everything pass: what is open has none to ask for.
        call.extensions_mut().insert(caller);
        next.run(call).await
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
