/**
 * The wsc client: reliable real-time messaging over one connection that reconnects by itself. Begin with {@link io.github.wsc.Client}.
 *
 * <p>Nothing is null that is not marked so.
 */
@NullMarked
package io.github.wsc;

import org.jspecify.annotations.NullMarked;
