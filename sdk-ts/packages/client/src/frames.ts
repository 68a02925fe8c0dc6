/** The hub's frames that an application is given as they are. */

/** How a user is to be seen. */
export type Status = 'online' | 'offline' | 'busy' | 'away' | 'invisible';

/** A user's status as the hub tells it. */
export interface PresenceUser {
  readonly user_id: string;
  readonly status?: Status;
}

/** A frame about the presence of users: an answer has many users, a change one. */
export interface PresenceFrame {
  readonly message_type: string;
  readonly data?: { readonly users?: readonly PresenceUser[] } & Partial<PresenceUser>;
}

/** Members of a group came or went. */
export interface GroupFrame {
  readonly message_type: string;
  readonly data: {
    readonly group_id: string;
    /** `joined`, `left`, `removed`, `disbanded`. */
    readonly action: string;
    readonly user_id: string;
  };
}

/** The hub has something to say. */
export interface NoticeFrame {
  /** `kick_out`, `force_offline`, `server_status`, `config_update`, `welcome`. */
  readonly message_type: string;
  readonly content?: string;
  readonly data?: unknown;
}
