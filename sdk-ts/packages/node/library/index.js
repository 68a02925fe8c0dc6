// Requires the native library of a platform. In CommonJS, because a bundle has no `import.meta.url` to require from.

'use strict';

const { createRequire } = require('node:module');

/** Requires a package, or a file relative to this one. */
function requireLibrary(name) {
  // Each name is a constant of its block: ncc follows it and copies the library into its folder, esbuild and webpack do not, and
  // the package is found when the bundle runs.
  try {
    switch (name) {
      case '@wsc/node-linux-x64-gnu': {
        const library = '@wsc/node-linux-x64-gnu';
        return require(library);
      }
      case '@wsc/node-linux-arm64-gnu': {
        const library = '@wsc/node-linux-arm64-gnu';
        return require(library);
      }
      case '@wsc/node-linux-x64-musl': {
        const library = '@wsc/node-linux-x64-musl';
        return require(library);
      }
      case '@wsc/node-linux-arm64-musl': {
        const library = '@wsc/node-linux-arm64-musl';
        return require(library);
      }
      case '@wsc/node-darwin-x64': {
        const library = '@wsc/node-darwin-x64';
        return require(library);
      }
      case '@wsc/node-darwin-arm64': {
        const library = '@wsc/node-darwin-arm64';
        return require(library);
      }
      case '@wsc/node-win32-x64-msvc': {
        const library = '@wsc/node-win32-x64-msvc';
        return require(library);
      }
    }
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
  }
  // In a bundle that is a module there is no `__filename`, and a `require` that was made for it.
  return (typeof __filename === 'string' ? createRequire(__filename) : require)(name);
}

exports.requireLibrary = requireLibrary;
