/** JSON as text, or what it says. */
export type Json = string | object;

/** What JSON says. */
export function read(json: Json): object {
  return typeof json === 'string' ? (JSON.parse(json) as object) : json;
}
