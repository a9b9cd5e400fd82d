"""UserService: every method and every error of the contract."""
import re

from google.protobuf import field_mask_pb2

from user.v1 import user_pb2 as pb

from checks import check
from shop import Code, Talk, bad_fields, details, email, equal, expect, fails, new_user, recent, users

CREATED_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
REQUIRED = "Name and email are required"


def create(**fields):
    return users.CreateUser(pb.CreateUserRequest(**fields))


def update(paths=None, **fields):
    mask = None if paths is None else field_mask_pb2.FieldMask(paths=paths)
    return users.UpdateUser(pb.UpdateUserRequest(update_mask=mask, **fields))


def get(id):
    return users.GetUser(pb.GetUserRequest(id=id)).user


def listed(**fields):
    """The users of a list, and its trailing metadata."""
    call = users.ListUsers(pb.ListUsersRequest(**fields))
    return list(call), dict(call.trailing_metadata())


@check("create user")
def create_user():
    address = email()
    user = create(name="Ada", email=address, password="secret").user
    expect(CREATED_ID.fullmatch(user.id), user.id)
    equal((user.name, user.email, user.role, user.status), ("Ada", address, pb.ROLE_USER, pb.USER_STATUS_ACTIVE))
    recent(user.created_at)
    equal(user.created_at, user.updated_at)
    expect("secret" not in str(user), "the password came back")
    equal(create(name="Root", email=email(), role=pb.ROLE_ADMIN).user.role, pb.ROLE_ADMIN)


@check("create user: name and email are required")
def create_user_required():
    equal(bad_fields(fails(Code.INVALID_ARGUMENT, create, REQUIRED)), ["email", "name"])
    equal(bad_fields(fails(Code.INVALID_ARGUMENT, lambda: create(email=email()), REQUIRED)), ["name"])
    equal(bad_fields(fails(Code.INVALID_ARGUMENT, lambda: create(name="Ada"), REQUIRED)), ["email"])


@check("create user: an email that is none")
def create_user_bad_email():
    for address in ("ada", "@example.com", "ada@", "a b@example.com"):
        equal(bad_fields(fails(Code.INVALID_ARGUMENT, lambda: create(name="Ada", email=address))), ["email"])


@check("create user: an email that exists")
def create_user_taken():
    address = email()
    create(name="Ada", email=address)
    error = fails(Code.ALREADY_EXISTS, lambda: create(name="Eve", email=address.upper()))
    expect(details(error, "ErrorInfo").reason, "no reason")


@check("get user, and one that is not there")
def get_user():
    user = new_user()
    equal(get(user.id), user)
    error = fails(Code.NOT_FOUND, lambda: get("123"), "User 123 not found")
    equal(details(error, "ResourceInfo").resource_name, "123")


@check("update user: with a mask, without one, with an empty one, and with *")
def update_user():
    user = new_user()
    changed = update(["name", "status"], id=user.id, name="Grace", email=email(), status=pb.USER_STATUS_INACTIVE)
    equal((changed.name, changed.email, changed.status), ("Grace", user.email, pb.USER_STATUS_INACTIVE))
    expect(changed.updated_at != user.updated_at, "updated_at stands still")
    equal(changed.created_at, user.created_at)
    equal(get(user.id), changed)
    equal(update(id=user.id, name="Ada").status, pb.USER_STATUS_INACTIVE)
    equal(update([], id=user.id, status=pb.USER_STATUS_PENDING).name, "Ada")
    address = email()
    whole = update(["*"], id=user.id, name="Hopper", email=address, status=pb.USER_STATUS_ACTIVE)
    equal((whole.name, whole.email, whole.status), ("Hopper", address, pb.USER_STATUS_ACTIVE))


@check("update user: what is refused")
def update_user_refused():
    user, other = new_user(), new_user()
    fails(Code.NOT_FOUND, lambda: update(id="123", name="Grace"), "User 123 not found")
    for path in ("id", "nonsense"):
        error = fails(Code.INVALID_ARGUMENT, lambda: update(["name", path], id=user.id, name="Grace"))
        expect(path in error.details(), error.details())
    equal(bad_fields(fails(Code.INVALID_ARGUMENT, lambda: update(["name"], id=user.id))), ["name"])
    equal(bad_fields(fails(Code.INVALID_ARGUMENT, lambda: update(id=user.id, email="none"))), ["email"])
    taken = fails(Code.ALREADY_EXISTS, lambda: update(id=user.id, email=other.email.upper()))
    expect(details(taken, "ErrorInfo").reason, "no reason")
    for status in (0, 77):
        for path in ("status", "*"):
            fields = {"id": user.id, "name": "Ada", "email": email(), "status": status}
            fails(Code.INVALID_ARGUMENT, lambda: update([path], **fields))
    equal(get(user.id), user)


@check("delete user")
def delete_user():
    user = new_user()
    users.DeleteUser(pb.DeleteUserRequest(id=user.id))
    fails(Code.NOT_FOUND, lambda: get(user.id))
    fails(Code.NOT_FOUND, lambda: users.DeleteUser(pb.DeleteUserRequest(id=user.id)), f"User {user.id} not found")
    create(name="Ada", email=user.email)  # which is free again


@check("list users: order, filter and pages")
def list_users():
    made = [new_user() for _ in range(5)]
    update(id=made[1].id, status=pb.USER_STATUS_PENDING)
    everyone, trailers = listed()
    ids = [user.id for user in everyone]
    equal(ids[-5:], [user.id for user in made])
    equal(trailers.get("total-count"), str(len(ids)))
    expect("next-page-token" not in trailers, "a token after the last page")
    pending, trailers = listed(status_filter=pb.USER_STATUS_PENDING)
    expect(all(user.status == pb.USER_STATUS_PENDING for user in pending), "the filter lets others pass")
    equal((pending[-1].id, trailers["total-count"]), (made[1].id, str(len(pending))))
    paged, token = [], ""
    while True:
        page, trailers = listed(page_size=3, page_token=token)
        expect(len(page) <= 3, "a page is too long")
        equal(trailers["total-count"], str(len(ids)))
        paged += [user.id for user in page]
        token = trailers.get("next-page-token")
        if not token:
            break
    equal(paged, ids)


@check("list users: what is refused")
def list_users_refused():
    new_user(), new_user()
    good = {"page_size": 1, "status_filter": pb.USER_STATUS_ACTIVE}
    token = listed(**good)[1]["next-page-token"]
    listed(page_token=token, **good)
    forged = token[:-1] + ("B" if token.endswith("A") else "A")
    for page_token in ("nonsense", forged, token[::-1]):
        fails(Code.INVALID_ARGUMENT, lambda: users.ListUsers(pb.ListUsersRequest(page_token=page_token, **good)))
    fails(Code.INVALID_ARGUMENT, lambda: users.ListUsers(pb.ListUsersRequest(page_token=token, page_size=1)))
    fails(Code.INVALID_ARGUMENT, lambda: users.ListUsers(pb.ListUsersRequest(page_size=-1)))


@check("batch create users")
def batch_create_users():
    taken, addresses = new_user().email, [email(), email()]
    requests = [
        pb.CreateUserRequest(name="First", email=addresses[0]),
        pb.CreateUserRequest(email=email()),
        pb.CreateUserRequest(name="Taken", email=taken),
        pb.CreateUserRequest(name="No email", email="none"),
        pb.CreateUserRequest(name="Last", email=addresses[1], password="secret"),
    ]
    answer = users.BatchCreateUsers(iter(requests))
    equal((answer.success_count, answer.failure_count), (2, 3))
    equal([user.email for user in answer.users], addresses)
    nobody = users.BatchCreateUsers(iter([]))
    equal((nobody.success_count, nobody.failure_count), (0, 0))


@check("batch create users: ten thousand")
def batch_create_many():
    requests = (pb.CreateUserRequest(name="n" * 300, email=email()) for _ in range(10_000))
    answer, call = users.BatchCreateUsers.with_call(requests)
    equal((answer.success_count, answer.failure_count), (10_000, 0))
    equal(dict(call.trailing_metadata()).get("users-truncated"), "true")
    expect(5_000 < len(answer.users) < 10_000, len(answer.users))


@check("user chat")
def user_chat():
    talk = Talk(users.UserChat)
    for content in ("hello", "", "ä 🐦"):
        answer = talk.say(pb.ChatMessage(user_id="ada", content=content)).next()
        equal((answer.user_id, answer.content), ("ada", f"Echo: {content}"))
        recent(answer.timestamp)
    talk.end()
