// Settings and messages as blocks.
package io.github.wsc

import java.net.URI
import java.nio.file.Path
import java.util.concurrent.Executor
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.future.future

/** Keeps the block's receivers apart. */
@DslMarker
public annotation class WscDsl

/** The settings of a client; each is explained at its namesake in [ClientBuilder]. */
@WscDsl
public class ClientSettings internal constructor(addresses: List<URI>) {
    internal val builder: ClientBuilder = Client.builder(*addresses.toTypedArray())

    /** The user id to connect as, only on a hub without authentication. */
    public var user: String by Setting("") { builder.user(it) }

    /** The user's type, only on a hub without authentication. */
    public var userType: String by Setting("") { builder.userType(it) }

    /** The application, only on a hub without authentication. */
    public var app: String by Setting("") { builder.app(it) }

    /** The namespace (tenant), only on a hub without authentication. */
    public var namespace: String by Setting("") { builder.namespace(it) }

    /** A token that does not change. */
    public var token: String by Setting("") { builder.token(it) }

    /** This installation's id. */
    public var device: String by Setting("") { builder.device(it) }

    /** The file that keeps unsent messages and positions. */
    public var outbox: Path? by Setting(null) { builder.outbox(requireNotNull(it)) }

    /** A PEM file with authorities that are trusted for `wss` beside the usual ones; it is read when it is set. */
    public var authorities: Path? by Setting(null) { builder.authorities(requireNotNull(it)) }

    /** When a message counts as handed over. */
    public var acknowledge: Acknowledge by Setting(Acknowledge.AUTOMATIC) { builder.acknowledge(it) }

    /** Where callbacks run. */
    public var executor: Executor? by Setting(null) { builder.executor(requireNotNull(it)) }

    /** Which of the user's groups to read. */
    public var groups: Collection<String>? by Setting(null) { builder.groups(requireNotNull(it)) }

    /** Where tokens come from; null: there is none, and the client closes. When it throws, it is asked again: see [ClientBuilder.tokenProvider]. */
    @OptIn(DelicateCoroutinesApi::class) // Asked for as long as the client lives; it ends with its answer.
    public fun tokenProvider(scope: CoroutineScope = GlobalScope, provider: suspend () -> String?) {
        builder.tokenProvider { scope.future<String?> { provider() } }
    }

    /** Adds a listener. */
    public fun listener(listener: ClientListener) {
        builder.listener(listener)
    }

    /** Anything else. */
    public fun settings(block: ClientBuilder.() -> Unit) {
        builder.block()
    }
}

private class Setting<T>(private var value: T, private val apply: (T) -> Unit) {
    operator fun getValue(settings: ClientSettings, property: kotlin.reflect.KProperty<*>): T = value

    operator fun setValue(settings: ClientSettings, property: kotlin.reflect.KProperty<*>, value: T) {
        this.value = value
        apply(value)
    }
}

/**
 * A client that does not connect yet. Several addresses are those of hubs that share one store, see [Client.builder].
 *
 * ```
 * val client = wscClient("ws://127.0.0.1:8080/ws") { user = "alice" }
 * client.connectAndAwait()
 * ```
 */
public fun wscClient(vararg addresses: String, settings: ClientSettings.() -> Unit = {}): Client =
    ClientSettings(addresses.map(URI::create)).apply(settings).builder.build()

/**
 * A message for a conversation: `user:<id>`, `group:<id>` or `broadcast`.
 *
 * ```
 * message("user:bob") { content("hello").receipts() }
 * ```
 */
public fun message(conversation: String, block: MessageBuilder.() -> Unit): Message = Message.to(conversation).apply(block).build()
