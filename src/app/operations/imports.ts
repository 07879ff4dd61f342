/** The types that cross the socket, gathered from the layers below. */
export type { ByteString, ChangeOrigin, GapReason, NodeKind, RootOptions } from "../../core/index.ts";
export type { ActionKind, ActionResult } from "../../events/index.ts";
export type { LeftOut, RootStatus, ScanProgress } from "../../capture/index.ts";
