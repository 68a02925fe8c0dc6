// The client in Kotlin's manner: suspending functions and flows over the Java classes. Decides nothing they do not.
package io.github.wsc

import io.github.wsc.internal.Reader
import java.time.Duration
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.future.await
import kotlin.time.Duration as KotlinDuration
import kotlin.time.toJavaDuration

/** Connects, and returns when connected. Throws [ClosedException] when the client is closed for good. */
public suspend fun Client.connectAndAwait() {
    connect().await()
}

/** Sends a message, and returns when it is saved here. Throws [SendException] when it was not. */
public suspend fun Client.sendAndAwait(message: Message): Receipt = send(message).await()

/** Sends a text to a conversation: `user:<id>`, `group:<id>` or `broadcast`. */
public suspend fun Client.sendAndAwait(conversation: String, content: String): Receipt = send(conversation, content).await()

/** Returns when the hub stored the message. Throws [ReceiptException]. */
public suspend fun Receipt.awaitAccepted(): Accepted = accepted().await()

/** Returns when a device of the receiver has the message. Throws [ReceiptException]. */
public suspend fun Receipt.awaitDelivered() {
    delivered().await()
}

/** Returns when the receiver read the message. Throws [ReceiptException]. */
public suspend fun Receipt.awaitRead() {
    read().await()
}

/**
 * The stream's messages and gaps. Cold: each collector reads for itself. A slow collector holds back the hub and misses nothing;
 * an entry is handed over when the collector is done with it, or cancelled with it; what it leaves, and what it failed at with an
 * exception, is for the next reader. Ends with the client.
 */
public fun Stream.asFlow(): Flow<Delivery> = flow {
    val signal = Channel<Unit>(Channel.CONFLATED)
    val reader = object : Reader(backlog) {
        override fun available() {
            signal.trySend(Unit)
        }
    }
    backlog.attach(reader)
    reader.use {
        while (true) {
            val entry = reader.next()
            if (entry != null) {
                try {
                    emit(entry.delivery())
                } catch (enough: CancellationException) {
                    // It has this one and wants no more, as with take and first.
                    reader.handled(entry)
                    throw enough
                }
                reader.handled(entry)
            } else if (reader.isEnded) {
                break
            } else {
                signal.receive()
            }
        }
    }
}

/** The stream's messages, without the gaps; see [asFlow]. */
public fun Stream.messages(): Flow<Message> = asFlow().mapNotNull { it as? Message }

/** The connection's state, now and as it changes. */
@Suppress("UNCHECKED_CAST") // Only this sets it.
public val Client.states: StateFlow<ConnectionState>
    get() = synchronized(this) {
        val known = stateFlow ?: MutableStateFlow(state()).also { made ->
            stateFlow = made
            listen(object : ClientListener {
                override fun onState(state: ConnectionState) {
                    made.value = state
                }
            })
            made.value = state()
        }
        (known as MutableStateFlow<ConnectionState>).asStateFlow()
    }

/** The status of these users: all that is known, at each change. Ends the watch with the collector. */
public fun Client.presenceOf(users: Collection<String>): Flow<Map<String, UserStatus>> = callbackFlow {
    val presence = presence(users)
    presence.subscribe { _, _ -> trySend(presence.statuses()) }
    awaitClose { presence.close() }
}.conflate()

/** The user's conversations once they are loaded, and after each change. Ends the watch with the collector. */
public fun Conversations.asFlow(): Flow<ConversationList> = callbackFlow {
    val watch = subscribe { trySend(it) }
    awaitClose { watch.close() }
}.conflate()

/** A part of the history: the newest, or what [HistoryOptions.before] or [HistoryOptions.after] name. */
public suspend fun Stream.historyAndAwait(options: HistoryOptions): Page = history(options).await()

/** The newest part of the history. */
public suspend fun Stream.historyAndAwait(limit: Int = 50): Page = history(HistoryOptions.newest().limit(limit)).await()

/** Joins the group; one that does not exist is created. */
public suspend fun Group.joinAndAwait() {
    join().await()
}

/** Leaves the group. */
public suspend fun Group.leaveAndAwait() {
    leave().await()
}

/** Closes, and returns when it is done: it waits up to 5 s for what is under way. */
public suspend fun Client.closeAndAwait() {
    closeAsync().await()
}

/** See [MessageBuilder.expiresIn]. */
public fun MessageBuilder.expiresIn(life: KotlinDuration): MessageBuilder {
    val java: Duration = life.toJavaDuration()
    return expiresIn(java)
}
