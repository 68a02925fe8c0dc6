/** Requires a package with the native library, or a file relative to this one. */
export function requireLibrary(name: string): unknown;
