"""One small message of every kind, as a gNB and a RIC exchange them, and two with everything."""

from __future__ import annotations

from xapp.e2.aper import BitString
from xapp.e2.common import plmn_octets
from xapp.e2.e2ap_causes import (
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
    X2Component,
    XnComponent,
)
from xapp.e2.e2ap_identities import (
    EnbNodeId,
    EnGnbNodeId,
    GlobalE2NodeId,
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
    Procedure,
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

PLMN = plmn_octets("00101")
GNB = GlobalGnbId(PLMN, BitString(411, 22))
DU, CU_CP, CU_UP = GnbNodeId(GNB, du_id=0), GnbNodeId(GNB), GnbNodeId(GNB, cu_up_id=1)
EN_GNB = GlobalEnGnbId(PLMN, BitString(77, 32))
OTHER_NODES: tuple[GlobalE2NodeId, ...] = (
    GnbNodeId(GNB, EN_GNB, 2**36 - 1, 256), EnGnbNodeId(EN_GNB, 3, 4),
    NgEnbNodeId(GlobalNgEnbId(PLMN, BitString(5, 21)), GlobalEnbId(PLMN, BitString(6, 28)), 7),
    EnbNodeId(GlobalEnbId(PLMN, BitString(8, 18))))
RIC = GlobalRicId(PLMN, 0xA1B2)
# Setups of F1, NG and E1 with hardly more in them than there has to be.
F1 = Component(Interface.F1, F1Component(0), Configuration(
    bytes.fromhex("00010014000003004e00020000002a0002000000ab000170"),
    bytes.fromhex("4001000e000002004e0002000000aa000170")))
NG = Component(Interface.NG, NgComponent("amf0"), Configuration(
    bytes.fromhex("00150025000003001b00080000f1100000066c0066000d00000000070000f110000000080015400160"),
    bytes.fromhex("2015002a000004000100060180616d6630006000080000"
                  "00f11002004000564001ff005000080000f11000000008")))
E1 = Component(Interface.E1, E1Component(1), Configuration(
    bytes.fromhex("0003001d000004003900020000000700020001000a000120000b0005000000f110"),
    bytes.fromhex("20030009000001003900020000")))
KPM_OID, RC_OID = "1.3.6.1.4.1.53148.1.2.2.2", "1.3.6.1.4.1.53148.1.1.2.3"
CCC_OID = "1.3.6.1.4.1.53148.1.6.2.4"
KPM, RC = RanFunction(2, b"kpm", 1, KPM_OID), RanFunction(3, b"rc", 1, RC_OID)
CCC = RanFunction(4, b"ccc", 2, CCC_OID)
REQUEST = RequestId(7, 21)
DIAGNOSTICS = Diagnostics(
    Procedure.CONTROL, Kind.INITIATING, Criticality.REJECT, REQUEST,
    (IeProblem(Criticality.REJECT, 22, TypeOfError.MISSING),
     IeProblem(Criticality.NOTIFY, 999, TypeOfError.NOT_UNDERSTOOD)))
TNL = TnlInformation.of("192.0.2.7", 36421)
TNL6 = TnlInformation.of("2001:db8::7")
F1_ACK = ComponentAck(Interface.F1, F1Component(0))
X2_NACK = ComponentAck(
    Interface.X2, X2Component(GlobalEnbId(PLMN, BitString(9, 20)), EN_GNB),
    Acknowledgement(Outcome.FAILURE, MiscCause.HARDWARE_FAILURE))

EXAMPLES: tuple[Message, ...] = (
    E2SetupRequest(1, DU, (KPM, RC, CCC), (F1,)),
    E2SetupResponse(1, RIC, (FunctionRevision(2, 1), FunctionRevision(3, 1)),
                    (FunctionRefused(4, RicServiceCause.RAN_FUNCTION_NOT_SUPPORTED),), (F1_ACK,)),
    E2SetupFailure(1, MiscCause.CONTROL_PROCESSING_OVERLOAD, TimeToWait.S_5, DIAGNOSTICS, TNL),
    SubscriptionRequest(REQUEST, 2, SubscriptionDetails(b"each second", (
        Action(0, ActionType.REPORT, b"style 4"),))),
    SubscriptionResponse(REQUEST, 2, (0,), (
        ActionRefused(1, RicRequestCause.ACTION_NOT_SUPPORTED),)),
    SubscriptionFailure(REQUEST, 2, RicRequestCause.EVENT_TRIGGER_NOT_SUPPORTED),
    SubscriptionDeleteRequest(REQUEST, 2),
    SubscriptionDeleteResponse(REQUEST, 2),
    SubscriptionDeleteFailure(REQUEST, 2, RicRequestCause.REQUEST_ID_UNKNOWN, DIAGNOSTICS),
    SubscriptionDeleteRequired((
        SubscriptionCause(REQUEST, 2, RicRequestCause.FUNCTION_RESOURCE_LIMIT),)),
    Indication(REQUEST, 2, 0, None, IndicationType.REPORT, b"header", b"message"),
    ControlRequest(REQUEST, 3, b"header", bytes(range(200)), acknowledge=True),
    ControlAcknowledge(REQUEST, 3, outcome=b"outcome"),
    ControlFailure(REQUEST, 3, RicRequestCause.CONTROL_MESSAGE_INVALID, outcome=b"outcome",
                   diagnostics=DIAGNOSTICS),
    ServiceUpdate(2, (CCC,), (KPM,), (FunctionRevision(3, 1),)),
    ServiceUpdateAcknowledge(2, (FunctionRevision(4, 2),), (
        FunctionRefused(2, RicServiceCause.RIC_RESOURCE_LIMIT),)),
    ServiceUpdateFailure(2, ProtocolCause.SEMANTIC_ERROR, TimeToWait.S_60),
    ServiceQuery(3, (FunctionRevision(2, 1),)),
    ConfigurationUpdate(4, DU, (NG,), (F1,), (
        ComponentRemoved(Interface.XN, XnComponent(GNB)),
        ComponentRemoved(Interface.E1, E1Component(1))), (TnlPair(TNL, TNL6),)),
    ConfigurationUpdateAcknowledge(4, (ComponentAck(Interface.NG, NgComponent("amf0")),),
                                   (F1_ACK,), (X2_NACK,)),
    ConfigurationUpdateFailure(4, ProtocolCause.UNSPECIFIED, TimeToWait.S_1),
    ConnectionUpdate(5, (TnlAssociation(TNL, TnlUsage.BOTH),), (TNL6,), (
        TnlAssociation(TNL6, TnlUsage.RIC_SERVICE),)),
    ConnectionUpdateAcknowledge(5, (TnlAssociation(TNL, TnlUsage.BOTH),), (
        TnlRefused(TNL6, TransportCause.RESOURCE_UNAVAILABLE),)),
    ConnectionUpdateFailure(5, TransportCause.UNSPECIFIED),
    ResetRequest(6, MiscCause.OM_INTERVENTION),
    ResetResponse(6),
    ErrorIndication(None, REQUEST, 2, ProtocolCause.TRANSFER_SYNTAX_ERROR, DIAGNOSTICS),
    Indication(REQUEST, 2, 0, 65535, IndicationType.INSERT, b"", bytes(400), b"call"),
    SubscriptionRequest(REQUEST, 2, SubscriptionDetails(b"", (
        Action(0, ActionType.INSERT, None, SubsequentAction(Subsequent.WAIT, ActionWait.S_60)),
        Action(255, ActionType.POLICY, b"policy", None, 300))), bytes(8), b"\xff" * 8),
    *(E2SetupRequest(7, node, (KPM,), (NG,)) for node in OTHER_NODES),
)
