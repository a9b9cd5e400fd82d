//! channelz (`grpc.channelz.v1`, gRFC A14): what the servers, channels and connections of a program are doing.
//!
//! ```
//! use gannet::{Channel, Registry, Server};
//! use gannet_services::channelz::Channelz;
//!
//! # fn example() -> Result<(), gannet::InvalidTarget> {
//! let registry = Registry::new();
//! let server = Server::new().registry(registry.clone()).add(Channelz::new(registry.clone()).service());
//! let channel = Channel::builder("dns:///users.internal:50051")?.registry(registry).build();
//! # drop((server, channel));
//! # Ok(()) }
//! ```
//!
//! It tells of what was put into its [`Registry`], with the latest events of each server, channel and subchannel
//! (gRFC A3) and the options of sockets; TCP_INFO is not among these, because nothing reads it without `unsafe`. Whoever
//! may call it sees the addresses and certificates of all peers: where they are not for everybody, an interceptor decides
//! who calls `/grpc.channelz.v1.Channelz/`, or a server
//! of its own serves it at another address.

mod generated;
mod messages;

use gannet::{Call, Registry, Result, Service, Status};
use generated::grpc::channelz::v1 as proto;

pub use proto::__buffa::oneof;
pub use proto::{
    Address, Channel, ChannelConnectivityState, ChannelData, ChannelRef, ChannelTrace, ChannelTraceEvent,
    ChannelzClient, GetChannelRequest, GetChannelResponse, GetServerSocketsRequest, GetServerSocketsResponse,
    GetServersRequest, GetServersResponse, GetSocketRequest, GetSocketResponse, GetSubchannelRequest,
    GetSubchannelResponse, GetTopChannelsRequest, GetTopChannelsResponse, Security, Server, ServerData,
    ServerRef, Socket, SocketData, SocketOption, SocketOptionLinger, SocketOptionTimeout, SocketRef,
    Subchannel, SubchannelRef, address, channel_connectivity_state, channel_trace_event, security,
};

/// How many results a page has where the client leaves it to the server, and the most that it has.
const PAGE: usize = 100;

/// What a registry knows, as a service.
#[derive(Clone, Debug)]
pub struct Channelz(Registry);

impl Channelz {
    /// Tells of what is in this registry.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self(registry)
    }

    /// The service to add to a server.
    #[must_use]
    pub fn service(&self) -> impl Service + use<> {
        proto::ChannelzServer::new(self.clone())
    }
}

impl proto::Channelz for Channelz {
    async fn get_top_channels(
        &self,
        _call: &mut Call,
        request: GetTopChannelsRequest,
    ) -> Result<GetTopChannelsResponse> {
        let (from, most) = page(request.start_channel_id, request.max_results)?;
        let (channels, end) = cut(self.0.channels(from, most + 1), most);
        let channel = channels.into_iter().map(messages::channel).collect();
        Ok(GetTopChannelsResponse { channel, end, ..Default::default() })
    }

    async fn get_servers(&self, _call: &mut Call, request: GetServersRequest) -> Result<GetServersResponse> {
        let (from, most) = page(request.start_server_id, request.max_results)?;
        let (servers, end) = cut(self.0.servers(from, most + 1), most);
        let server = servers.into_iter().map(messages::server).collect();
        Ok(GetServersResponse { server, end, ..Default::default() })
    }

    async fn get_server_sockets(
        &self,
        _call: &mut Call,
        request: GetServerSocketsRequest,
    ) -> Result<GetServerSocketsResponse> {
        let (from, most) = page(request.start_socket_id, request.max_results)?;
        let sockets = self.0.server_sockets(number(request.server_id), from, most + 1);
        let (sockets, end) = cut(sockets.ok_or_else(|| unknown("server", request.server_id))?, most);
        let socket_ref = sockets.into_iter().map(messages::socket_ref).collect();
        Ok(GetServerSocketsResponse { socket_ref, end, ..Default::default() })
    }

    async fn get_channel(&self, _call: &mut Call, request: GetChannelRequest) -> Result<GetChannelResponse> {
        let channel = self.0.channel(number(request.channel_id));
        let channel = channel.ok_or_else(|| unknown("channel", request.channel_id))?;
        Ok(GetChannelResponse { channel: messages::channel(channel).into(), ..Default::default() })
    }

    async fn get_subchannel(
        &self,
        _call: &mut Call,
        request: GetSubchannelRequest,
    ) -> Result<GetSubchannelResponse> {
        let subchannel = self.0.subchannel(number(request.subchannel_id));
        let subchannel = subchannel.ok_or_else(|| unknown("subchannel", request.subchannel_id))?;
        Ok(GetSubchannelResponse {
            subchannel: messages::subchannel(subchannel).into(),
            ..Default::default()
        })
    }

    async fn get_socket(&self, _call: &mut Call, request: GetSocketRequest) -> Result<GetSocketResponse> {
        let socket = self.0.socket(number(request.socket_id));
        let socket = socket.ok_or_else(|| unknown("socket", request.socket_id))?;
        Ok(GetSocketResponse { socket: messages::socket(socket).into(), ..Default::default() })
    }
}

/// Where a page begins and how long it may be.
fn page(start: i64, max_results: i64) -> Result<(u64, usize)> {
    let (Ok(from), Ok(most)) = (u64::try_from(start), usize::try_from(max_results)) else {
        return Err(Status::invalid_argument("neither the start nor max_results may be negative"));
    };
    Ok((from, if most == 0 { PAGE } else { most.min(PAGE) }))
}

/// Cuts one result off where there are more than the page has: then it is not the last page.
fn cut<T>(mut results: Vec<T>, most: usize) -> (Vec<T>, bool) {
    let end = results.len() <= most;
    results.truncate(most);
    (results, end)
}

/// Numbers begin with 1: nothing has the number 0.
fn number(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(0)
}

fn unknown(what: &str, id: i64) -> Status {
    Status::not_found(format!("there is no {what} {id}"))
}

#[cfg(test)]
mod tests;
