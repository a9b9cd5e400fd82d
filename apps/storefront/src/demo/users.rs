//! UserService, shown.

use super::stage::Stage;
use super::{DemoError, Of, must, must_fail};
use crate::proto::user::v1::{
    ChatMessage, CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, Role,
    UpdateUserRequest, User, UserServiceClient, UserStatus,
};
use gannet::buffa::Enumeration;
use gannet::well_known::FieldMask;
use gannet::{Channel, Code};
use gannet_types::BadRequest;

/// Calls all seven methods.
pub(super) async fn show(stage: &Stage, channel: &Channel) -> Result<(), DemoError> {
    let users = UserServiceClient::new(channel.clone());
    stage.service("user.v1.UserService");
    let ada = create(stage, &users).await?;
    get(stage, &users, &ada).await?;
    update(stage, &users, &ada).await?;
    batch(stage, &users).await?;
    list(stage, &users).await?;
    chat(stage, &users, &ada).await?;
    delete(stage, &users, &ada).await
}

/// A user for the demo of another service; the email is one that no earlier demo has used.
pub(super) async fn create_user(users: &UserServiceClient, name: &str) -> Result<User, DemoError> {
    let answer = users.create_user(request(name)).await.of("CreateUser")?;
    answer.user.into_option().ok_or_else(|| DemoError::Wrong("CreateUser", "there is no user in it".into()))
}

fn request(name: &str) -> CreateUserRequest {
    let email = format!("{}.{}@example.com", name.to_lowercase(), uuid::Uuid::now_v7().simple());
    CreateUserRequest { name: name.into(), email, ..Default::default() }
}

fn describe(user: &User) -> String {
    let status = user.status.as_known().map_or("?", |status| status.proto_name());
    let role = user.role.as_known().map_or("?", |role| role.proto_name());
    format!("id: {} name: {:?} email: {:?} status: {status} role: {role}", user.id, user.name, user.email)
}

async fn create(stage: &Stage, users: &UserServiceClient) -> Result<User, DemoError> {
    const METHOD: &str = "CreateUser";
    stage.call(METHOD, "a name, an email, a password that is kept as a hash");
    let request =
        CreateUserRequest { password: "countess".into(), role: Role::Admin.into(), ..request("Ada") };
    stage.sent(format!(
        "name: {:?} email: {:?} password: (secret) role: ROLE_ADMIN",
        request.name, request.email
    ));
    let answer = users.create_user(request.clone()).await.of(METHOD)?;
    let ada = answer.user.into_option().unwrap_or_default();
    stage.received(describe(&ada));
    must(ada.email == request.email && ada.role == Role::Admin, METHOD, "this is another user")?;

    stage.call(METHOD, "the same email again, in capitals");
    let again = CreateUserRequest { email: request.email.to_uppercase(), password: String::new(), ..request };
    stage.sent(format!("name: {:?} email: {:?}", again.name, again.email));
    stage.refused(&must_fail(users.create_user(again).await, Code::AlreadyExists, METHOD)?);

    stage.call(METHOD, "nothing at all");
    stage.sent("(an empty message)");
    let refused =
        must_fail(users.create_user(CreateUserRequest::default()).await, Code::InvalidArgument, METHOD)?;
    stage.refused(&refused);
    let detail: BadRequest = refused.detail().unwrap_or_default();
    for violation in &detail.field_violations {
        stage.received(format!("google.rpc.BadRequest: {} {}", violation.field, violation.description));
    }
    must(detail.field_violations.len() == 2, METHOD, "it must name both fields")?;
    Ok(ada)
}

async fn get(stage: &Stage, users: &UserServiceClient, ada: &User) -> Result<(), DemoError> {
    const METHOD: &str = "GetUser";
    stage.call(METHOD, "one user by id");
    stage.sent(format!("id: {}", ada.id));
    let request = GetUserRequest { id: ada.id.clone(), ..Default::default() };
    let answer = users.get_user(request).await.of(METHOD)?;
    stage.received(describe(&answer.user));
    must(answer.user.as_option() == Some(ada), METHOD, "this is another user")
}

async fn update(stage: &Stage, users: &UserServiceClient, ada: &User) -> Result<(), DemoError> {
    const METHOD: &str = "UpdateUser";
    stage.call(METHOD, "the name alone, though more is set");
    stage.sent(r#"name: "Ada Lovelace" status: USER_STATUS_INACTIVE update_mask: ["name"]"#);
    let request = UpdateUserRequest {
        id: ada.id.clone(),
        name: "Ada Lovelace".into(),
        status: UserStatus::Inactive.into(),
        update_mask: FieldMask { paths: vec!["name".into()], ..Default::default() }.into(),
        ..Default::default()
    };
    let updated = users.update_user(request).await.of(METHOD)?;
    stage.received(describe(&updated));
    let is_right = updated.name == "Ada Lovelace" && updated.status == UserStatus::Active;
    must(is_right, METHOD, "the mask names the name and nothing else")
}

/// So many users are created in one call.
const BATCH_USERS: usize = 2_000;

async fn batch(stage: &Stage, users: &UserServiceClient) -> Result<(), DemoError> {
    const METHOD: &str = "BatchCreateUsers";
    stage.call(METHOD, "a stream of users, one of them without an email");
    let run = uuid::Uuid::now_v7().simple().to_string();
    let mut batch = users.batch_create_users();
    let bar = stage.progress(BATCH_USERS as u64, "users sent");
    for number in 0..BATCH_USERS {
        let (name, email) = (format!("User {number}"), format!("{number}.{run}@example.com"));
        batch.send(CreateUserRequest { name, email, ..Default::default() }).await.of(METHOD)?;
        bar.inc(1);
    }
    let nobody = CreateUserRequest { name: "Nobody".into(), ..Default::default() };
    batch.send(nobody).await.of(METHOD)?;
    let summary = batch.finish().await.of(METHOD)?;
    bar.finish_and_clear();
    stage.sent(format!("{BATCH_USERS} users and one without an email"));
    let (successes, failures) = (summary.success_count, summary.failure_count);
    stage.received(format!(
        "success_count: {successes} failure_count: {failures} users: {}",
        summary.users.len()
    ));
    must((successes as usize, failures) == (BATCH_USERS, 1), METHOD, "the counts are wrong")
}

async fn list(stage: &Stage, users: &UserServiceClient) -> Result<(), DemoError> {
    const METHOD: &str = "ListUsers";
    let mut token = String::new();
    for page in ["the first three users", "the three after them"] {
        stage.call(METHOD, page);
        stage.sent(format!("page_size: 3 page_token: {token:?}"));
        let request = ListUsersRequest { page_size: 3, page_token: token, ..Default::default() };
        let mut list = users.list_users(request).await.of(METHOD)?;
        let mut listed = 0;
        while let Some(user) = list.next().await.of(METHOD)? {
            stage.received(describe(&user));
            listed += 1;
        }
        let trailers = list.trailers();
        let trailer = |name: &str| trailers.get(name).unwrap_or_default().to_owned();
        token = trailer("next-page-token");
        stage.received(format!("total-count: {} next-page-token: {token}", trailer("total-count")));
        must(listed == 3 && !token.is_empty(), METHOD, "three users and a token for the next were due")?;
    }
    Ok(())
}

async fn chat(stage: &Stage, users: &UserServiceClient, ada: &User) -> Result<(), DemoError> {
    const METHOD: &str = "UserChat";
    stage.call(METHOD, "a stream each way");
    let (mut messages, mut answers) = users.user_chat().await.of(METHOD)?;
    for content in ["Hello", "Is anybody there?"] {
        stage.sent(format!("content: {content:?}"));
        let message = ChatMessage { user_id: ada.id.clone(), content: content.into(), ..Default::default() };
        messages.send(message).await.of(METHOD)?;
        let answer = answers.next().await.of(METHOD)?.unwrap_or_default();
        stage.received(format!("content: {:?}", answer.content));
        must(answer.content == format!("Echo: {content}"), METHOD, "an echo was due")?;
    }
    messages.finish();
    must(answers.next().await.of(METHOD)?.is_none(), METHOD, "the half-close must end it")
}

async fn delete(stage: &Stage, users: &UserServiceClient, ada: &User) -> Result<(), DemoError> {
    const METHOD: &str = "DeleteUser";
    stage.call(METHOD, "and she is gone");
    stage.sent(format!("id: {}", ada.id));
    let request = DeleteUserRequest { id: ada.id.clone(), ..Default::default() };
    users.delete_user(request).await.of(METHOD)?;
    stage.received("(an empty message)");
    let request = GetUserRequest { id: ada.id.clone(), ..Default::default() };
    stage.call("GetUser", "the same id once more");
    stage.refused(&must_fail(users.get_user(request).await, Code::NotFound, "GetUser")?);
    Ok(())
}
