/** The message types known by name, as `core/src/kind.rs` has them; a test compares the two. */
export const MESSAGE_TYPES = [
  'text', 'image', 'file', 'audio', 'video', 'location', 'card', 'emoji', 'sticker', 'link', 'quote', 'forward',
  'command', 'markdown', 'rich_text', 'code', 'json', 'xml', 'binary', 'voice', 'gif', 'document', 'spreadsheet',
  'presentation', 'contact', 'calendar', 'task', 'poll', 'form', 'payment', 'order', 'product', 'invite', 'system',
  'notice', 'event', 'announcement', 'alert', 'error', 'info', 'success', 'warning', 'heartbeat', 'ping', 'pong',
  'ack', 'typing', 'read', 'delivered', 'recall', 'edit', 'reaction', 'thread', 'reply', 'mention', 'custom',
  'unknown', 'ticket_created', 'ticket_assigned', 'ticket_closed', 'ticket_timeout_closed', 'ticket_transfer',
  'ticket_active', 'test', 'welcome', 'terminate', 'transferred', 'session_created', 'session_closed',
  'session_queued', 'session_timeout', 'session_paused', 'session_resumed', 'session_transferred',
  'session_member_joined', 'session_member_left', 'session_status_changed', 'check_user_status',
  'user_status_response', 'get_online_users', 'online_users_list', 'get_user_info', 'user_info_response',
  'system_query', 'system_response', 'user_joined', 'user_left', 'user_status_changed', 'server_status',
  'server_stats', 'client_config', 'config_update', 'health_check', 'health_response', 'connected',
  'client_registered', 'connection_rejected', 'disconnected', 'reconnected', 'connection_error',
  'connection_timeout', 'kick_out', 'force_offline', 'open_window', 'close_window', 'b_status_reminder',
  'group_changed',
] as const;

/** A type known by name, or the application's own of up to 64 bytes. */
export type MessageType = (typeof MESSAGE_TYPES)[number] | (string & {});
