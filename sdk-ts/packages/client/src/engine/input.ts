/** What goes into a session. Written by `cargo tool tables` from core/src/client/bridge.rs, which says what each means; not by hand. */

export const Connect = 0;
export const Close = 1;
export const Send = 2;
export const Cancel = 3;
export const Acknowledge = 4;
export const Request = 5;
export const MarkRead = 6;
export const Token = 7;
export const TokenFailed = 8;
export const NoToken = 9;
export const Stored = 10;
export const Network = 11;
export const Timeout = 12;
export const Opened = 13;
export const Text = 14;
export const Binary = 15;
export const Closed = 16;
