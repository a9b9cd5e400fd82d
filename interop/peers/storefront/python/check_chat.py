"""ChatService: every good case and every error of the contract."""
import grpc

from chat.v1 import chat_pb2 as pb
from chat.v1 import chat_pb2_grpc

from checks import check
from shop import Code, Talk, bad_fields, chats, equal, flags, recent, unique


def enter(room, user, stub=chats):
    """A stream that is in the room and has heard its own first message."""
    talk = Talk(stub.Chat).say(pb.ChatMessage(room_id=room, user_id=user, content="hello"))
    while talk.next().user_id != user:
        pass
    return talk


@check("chat: one order for all, its sender too")
def one_order():
    room, count = unique("room"), 50
    talks = [enter(room, user) for user in "abc"]
    for place, talk in enumerate(talks):
        for _ in talks[place + 1:]:
            equal(talk.next().content, "hello")
    for number in range(count):
        for place, talk in enumerate(talks):
            talk.say(pb.ChatMessage(room_id=room, user_id=str(place), content=str(number)))
    heard = []
    for talk in talks:
        messages = [talk.next() for _ in range(3 * count)]
        for message in messages:
            recent(message.timestamp)
        heard.append([(message.user_id, message.content, message.timestamp) for message in messages])
    equal(heard[1], heard[0])
    equal(heard[2], heard[0])
    for talk in talks:
        talk.end()


@check("chat: the first message names no room, a later one another")
def rooms():
    error = Talk(chats.Chat).say(pb.ChatMessage(content="hello")).fails(Code.INVALID_ARGUMENT)
    equal(bad_fields(error), ["room_id"])
    old, other = unique("room"), unique("room")
    stays, there, mover = enter(old, "stays"), enter(other, "there"), enter(old, "mover")
    stays.next()
    mover.say(pb.ChatMessage(room_id=other, content="moved"), pb.ChatMessage(content="still here"))
    for content in ("moved", "still here"):
        for talk in (there, mover):
            message = talk.next()
            equal((message.room_id, message.content), (other, content))
    equal(stays.say(pb.ChatMessage(content="alone")).next().content, "alone")
    for talk in (stays, there, mover):
        talk.end()


@check("chat: a cancelled stream leaves the room")
def leaves():
    room = unique("room")
    stays, goes = enter(room, "stays"), enter(room, "goes")
    stays.next()
    goes.call.cancel()
    goes.close()
    for number in range(10):
        equal(stays.say(pb.ChatMessage(content=str(number))).next().content, str(number))
    stays.end()


@check("chat: who does not read is let go, and slows nobody")
def let_go():
    room = unique("room")
    awake = enter(room, "awake")
    # A connection of its own: what is not read fills the window of the whole connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(flags["target"], options=options) as channel:
        asleep = enter(room, "asleep", chat_pb2_grpc.ChatServiceStub(channel))
        awake.next()
        # The window of grpcio's connections grows to megabytes.
        filling = "x" * 100_000
        for number in range(500):
            equal(awake.say(pb.ChatMessage(content=f"{number} {filling}")).next().content, f"{number} {filling}")
        asleep.fails(Code.RESOURCE_EXHAUSTED)
    awake.end()
