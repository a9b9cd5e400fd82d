//! UserService: accounts.

mod batch;
mod checks;
mod inserts;
mod list;
mod page_token;
mod password;
mod record;
mod standing;
mod update;

use crate::access;
use crate::proto::user::v1::{
    BatchCreateUsersResponse, ChatMessage, CreateUserRequest, CreateUserResponse, DeleteUserRequest,
    GetUserRequest, GetUserResponse, ListUsersRequest, Role, UpdateUserRequest, User, UserService,
    UserServiceServer,
};
use crate::store::Store;
use crate::time::{now_ns, timestamp};
use gannet::well_known::Empty;
use gannet::{Call, Receiver, Result, ResultExt, Sender, Status};
use gannet_types::{ErrorInfo, ResourceInfo};
use inserts::Inserts;
use password::Passwords;
pub(crate) use standing::{Standing, standing};

/// UserService over the store. A task of its own stores users, so it has to be made where tasks can be spawned.
#[must_use]
pub fn service(store: Store) -> UserServiceServer<Users> {
    let (inserts, passwords) = (Inserts::new(store.clone()), Passwords::new());
    UserServiceServer::new(Users { store, inserts, passwords })
}

/// The service's implementation.
#[derive(Debug)]
pub struct Users {
    store: Store,
    inserts: Inserts,
    passwords: Passwords,
}

impl UserService for Users {
    async fn create_user(&self, call: &mut Call, request: CreateUserRequest) -> Result<CreateUserResponse> {
        if checks::role_or_default(request.role) != Role::User {
            access::admin(call)?;
        }
        checks::new_user(&request)?;
        // Before the transaction: hashing takes as long as a thousand inserts.
        let password_hash = self.passwords.hash(request.password).await?;
        let new = record::New::of(request.name, request.email, request.role, password_hash);
        match self.inserts.insert(new).await? {
            Ok(user) => Ok(CreateUserResponse { user: user.into(), ..Default::default() }),
            Err(taken) => Err(email_taken(&taken.email)),
        }
    }

    async fn get_user(&self, _call: &mut Call, request: GetUserRequest) -> Result<GetUserResponse> {
        let found = record::find(&self.store.readers, &request.id).await.internal("reading the user")?;
        let user = found.ok_or_else(|| not_found(&request.id))?;
        Ok(GetUserResponse { user: user.into(), ..Default::default() })
    }

    async fn update_user(&self, call: &mut Call, request: UpdateUserRequest) -> Result<User> {
        access::own(call, &request.id)?;
        update::update(&self.store, request).await
    }

    async fn delete_user(&self, _call: &mut Call, request: DeleteUserRequest) -> Result<Empty> {
        match record::delete(&self.store.writer, &request.id).await.internal("removing the user")? {
            true => Ok(Empty::default()),
            false => Err(not_found(&request.id)),
        }
    }

    async fn list_users(
        &self,
        call: &mut Call,
        request: ListUsersRequest,
        users: Sender<User>,
    ) -> Result<()> {
        list::list(&self.store, call, request, users).await
    }

    async fn batch_create_users(
        &self,
        call: &mut Call,
        requests: Receiver<CreateUserRequest>,
    ) -> Result<BatchCreateUsersResponse> {
        batch::create(&self.store, &self.passwords, call, requests).await
    }

    async fn user_chat(
        &self,
        _call: &mut Call,
        mut messages: Receiver<ChatMessage>,
        mut answers: Sender<ChatMessage>,
    ) -> Result<()> {
        while let Some(ChatMessage { user_id, content, .. }) = messages.next().await? {
            let content = format!("Echo: {content}");
            let timestamp = timestamp(now_ns()).into();
            answers.send(ChatMessage { user_id, content, timestamp, ..Default::default() }).await?;
        }
        Ok(())
    }
}

fn not_found(id: &str) -> Status {
    let detail = ResourceInfo::of("user.v1.User", id).described("no user has this id");
    Status::not_found(format!("User {id} not found")).with_detail(detail)
}

fn email_taken(email: &str) -> Status {
    let detail = ErrorInfo::of("EMAIL_TAKEN", "storefront").with("email", email);
    Status::already_exists(format!("A user with the email {email} exists; use another one"))
        .with_detail(detail)
}
