"""Random E2AP messages of every kind, and one example of each with everything in it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from hypothesis import strategies as st

from xapp.e2.aper import BitString
from xapp.e2.e2ap_causes import (
    Cause,
    E2NodeCause,
    MiscCause,
    ProtocolCause,
    RicRequestCause,
    RicServiceCause,
    TransportCause,
)
from xapp.e2.e2ap_components import (
    Acknowledgement,
    Component,
    ComponentAck,
    ComponentRemoved,
    Configuration,
    E1Component,
    F1Component,
    Interface,
    NgComponent,
    Outcome,
    S1Component,
    W1Component,
    X2Component,
    XnComponent,
)
from xapp.e2.e2ap_identities import (
    EnbNodeId,
    EnGnbNodeId,
    GlobalEnbId,
    GlobalEnGnbId,
    GlobalGnbId,
    GlobalNgEnbId,
    GlobalRicId,
    GnbNodeId,
    NgEnbNodeId,
    TnlInformation,
)
from xapp.e2.e2ap_messages import (
    ConfigurationUpdate,
    ConfigurationUpdateAcknowledge,
    ConfigurationUpdateFailure,
    ConnectionUpdate,
    ConnectionUpdateAcknowledge,
    ConnectionUpdateFailure,
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    E2SetupFailure,
    E2SetupRequest,
    E2SetupResponse,
    ErrorIndication,
    Indication,
    Message,
    ResetRequest,
    ResetResponse,
    ServiceQuery,
    ServiceUpdate,
    ServiceUpdateAcknowledge,
    ServiceUpdateFailure,
    SubscriptionDeleteFailure,
    SubscriptionDeleteRequest,
    SubscriptionDeleteRequired,
    SubscriptionDeleteResponse,
    SubscriptionDetails,
    SubscriptionFailure,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import (
    Action,
    ActionRefused,
    ActionType,
    ActionWait,
    Criticality,
    Diagnostics,
    FunctionRefused,
    FunctionRevision,
    IeProblem,
    IndicationType,
    Kind,
    RanFunction,
    RequestId,
    SubscriptionCause,
    Subsequent,
    SubsequentAction,
    TimeToWait,
    TnlAssociation,
    TnlPair,
    TnlRefused,
    TnlUsage,
    TypeOfError,
)

CAUSES: tuple[Cause, ...] = (*RicRequestCause, *RicServiceCause, *E2NodeCause, *TransportCause,
                             *ProtocolCause, *MiscCause)
PRINTABLE = "".join(map(chr, range(32, 127)))


def bits(*widths: int) -> st.SearchStrategy[BitString]:
    return st.sampled_from(widths).flatmap(
        lambda width: st.builds(BitString, st.integers(0, 2**width - 1), st.just(width)))


def some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def listed(strategy: st.SearchStrategy[Any], least: int = 1, most: int = 4,
           ) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


def any_of(kind: type[Enum]) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(kind))


plmn = st.binary(min_size=3, max_size=3)
unit = st.integers(0, 2**36 - 1)
octets = st.binary(max_size=300)
causes = st.sampled_from(CAUSES)
gnb = st.builds(GlobalGnbId, plmn, bits(*range(22, 33)))
en_gnb = st.builds(GlobalEnGnbId, plmn, bits(*range(22, 33)))
enb = st.builds(GlobalEnbId, plmn, bits(20, 28, 18, 21))
ng_enb = st.builds(GlobalNgEnbId, plmn, bits(20, 18, 21))
nodes = (st.builds(GnbNodeId, gnb, some(en_gnb), some(unit), some(unit))
         | st.builds(EnGnbNodeId, en_gnb, some(unit), some(unit))
         | st.builds(NgEnbNodeId, ng_enb, some(enb), some(unit)) | st.builds(EnbNodeId, enb))
rics = st.builds(GlobalRicId, plmn, st.integers(0, 2**20 - 1))
names = st.text(PRINTABLE, min_size=1, max_size=200)
component_ids = (st.builds(NgComponent, names) | st.builds(XnComponent, gnb | ng_enb)
                 | st.builds(E1Component, unit) | st.builds(F1Component, unit)
                 | st.builds(W1Component, unit) | st.builds(S1Component, names)
                 | st.builds(X2Component, some(enb), some(en_gnb)))
interfaces = any_of(Interface)
components = st.builds(Component, interfaces, component_ids,
                       st.builds(Configuration, octets, octets))
component_acks = st.builds(ComponentAck, interfaces, component_ids, st.builds(
    Acknowledgement, any_of(Outcome), some(causes)))
transactions = st.integers(0, 255)
requests = st.builds(RequestId, st.integers(0, 65535), st.integers(0, 65535))
function_ids = st.integers(0, 4095)
functions = st.builds(RanFunction, function_ids, octets, st.integers(0, 4095),
                      st.text(PRINTABLE, min_size=1, max_size=1100))
revisions = st.builds(FunctionRevision, function_ids, st.integers(0, 4095))
refusals = st.builds(FunctionRefused, function_ids, causes)
actions = st.builds(
    Action, st.integers(0, 255), any_of(ActionType), some(octets),
    some(st.builds(SubsequentAction, any_of(Subsequent), any_of(ActionWait))),
    some(st.integers(0, 1000)))
action_refusals = st.builds(ActionRefused, st.integers(0, 255), causes)
problems = st.builds(IeProblem, any_of(Criticality), st.integers(0, 65535), any_of(TypeOfError))
diagnostics = st.builds(Diagnostics, some(st.integers(0, 255)), some(any_of(Kind)),
                        some(any_of(Criticality)), some(requests), some(listed(problems)))
tnls = st.builds(TnlInformation, bits(1, 32, 128, 160), some(st.integers(0, 65535)))
associations = st.builds(TnlAssociation, tnls, any_of(TnlUsage))
waits = some(any_of(TimeToWait))
maybe = some(octets)
time = some(st.binary(min_size=8, max_size=8))

BY_CLASS: dict[type, st.SearchStrategy[Any]] = {
    E2SetupRequest: st.builds(E2SetupRequest, transactions, nodes, listed(functions),
                              listed(components)),
    E2SetupResponse: st.builds(E2SetupResponse, transactions, rics, listed(revisions, 0),
                               listed(refusals, 0), listed(component_acks)),
    E2SetupFailure: st.builds(E2SetupFailure, transactions, causes, waits, some(diagnostics),
                              some(tnls)),
    SubscriptionRequest: st.builds(
        SubscriptionRequest, requests, function_ids,
        st.builds(SubscriptionDetails, octets, listed(actions, 1, 16)), time, time),
    SubscriptionResponse: st.builds(SubscriptionResponse, requests, function_ids,
                                    listed(st.integers(0, 255), 1, 16),
                                    listed(action_refusals, 0, 16)),
    SubscriptionFailure: st.builds(SubscriptionFailure, requests, function_ids, causes,
                                   some(diagnostics)),
    SubscriptionDeleteRequest: st.builds(SubscriptionDeleteRequest, requests, function_ids),
    SubscriptionDeleteResponse: st.builds(SubscriptionDeleteResponse, requests, function_ids),
    SubscriptionDeleteFailure: st.builds(SubscriptionDeleteFailure, requests, function_ids, causes,
                                         some(diagnostics)),
    SubscriptionDeleteRequired: st.builds(SubscriptionDeleteRequired, listed(
        st.builds(SubscriptionCause, requests, function_ids, causes))),
    Indication: st.builds(Indication, requests, function_ids, st.integers(0, 255),
                          some(st.integers(0, 65535)), any_of(IndicationType), octets,
                          st.binary(max_size=20_000), maybe),
    ControlRequest: st.builds(ControlRequest, requests, function_ids, octets, octets, maybe,
                              some(st.booleans())),
    ControlAcknowledge: st.builds(ControlAcknowledge, requests, function_ids, maybe, maybe),
    ControlFailure: st.builds(ControlFailure, requests, function_ids, causes, maybe, maybe,
                              some(diagnostics)),
    ServiceUpdate: st.builds(ServiceUpdate, transactions, listed(functions, 0),
                             listed(functions, 0), listed(revisions, 0)),
    ServiceUpdateAcknowledge: st.builds(ServiceUpdateAcknowledge, transactions,
                                        listed(revisions, 0), listed(refusals, 0)),
    ServiceUpdateFailure: st.builds(ServiceUpdateFailure, transactions, causes, waits,
                                    some(diagnostics)),
    ServiceQuery: st.builds(ServiceQuery, transactions, listed(revisions, 0)),
    ConfigurationUpdate: st.builds(
        ConfigurationUpdate, transactions, some(nodes), listed(components, 0),
        listed(components, 0),
        listed(st.builds(ComponentRemoved, interfaces, component_ids), 0),
        listed(st.builds(TnlPair, tnls, tnls), 0)),
    ConfigurationUpdateAcknowledge: st.builds(
        ConfigurationUpdateAcknowledge, transactions, listed(component_acks, 0),
        listed(component_acks, 0), listed(component_acks, 0)),
    ConfigurationUpdateFailure: st.builds(ConfigurationUpdateFailure, transactions, causes, waits,
                                          some(diagnostics)),
    ConnectionUpdate: st.builds(ConnectionUpdate, transactions, listed(associations, 0),
                                listed(tnls, 0), listed(associations, 0)),
    ConnectionUpdateAcknowledge: st.builds(
        ConnectionUpdateAcknowledge, transactions, listed(associations, 0),
        listed(st.builds(TnlRefused, tnls, causes), 0)),
    ConnectionUpdateFailure: st.builds(ConnectionUpdateFailure, transactions, some(causes), waits,
                                       some(diagnostics)),
    ResetRequest: st.builds(ResetRequest, transactions, causes),
    ResetResponse: st.builds(ResetResponse, transactions, some(diagnostics)),
    ErrorIndication: st.builds(ErrorIndication, some(transactions), some(requests),
                               some(function_ids), some(causes), some(diagnostics)),
}
messages: st.SearchStrategy[Message] = st.one_of(*BY_CLASS.values())
