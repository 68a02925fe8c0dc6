/** The parts behind the public classes. Not exported by the module, and not API: anything here may change at any time. */
@NullMarked
package io.github.wsc.internal;

import org.jspecify.annotations.NullMarked;
