// The client from Kotlin, against the real hub.
package io.github.wsc

import java.util.concurrent.TimeUnit
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.flow.transformWhile
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows

@Timeout(30, unit = TimeUnit.SECONDS)
class KotlinTest {
    companion object {
        private lateinit var hub: Hub

        @BeforeAll
        @JvmStatic
        fun start() {
            hub = Hub.start()
        }

        @AfterAll
        @JvmStatic
        fun stop() {
            hub.close()
        }
    }

    private fun client(name: String, more: ClientSettings.() -> Unit = {}) =
        wscClient(hub.url.toString()) {
            user = name
            device = "d"
            more()
        }

    @Test
    fun `an address where nobody is leaves the next one`() = runBlocking {
        repeat(4) {
            wscClient(AddressesTest.nobody().toString(), hub.url.toString()) { user = "eve" }.use { eve ->
                withTimeout(5_000) { eve.connectAndAwait() }
            }
        }
    }

    @Test
    fun `a message is sent and awaited, and a flow hands it over`() = runBlocking {
        client("ann").use { ann ->
            client("ben").use { ben ->
                ann.connectAndAwait()
                ben.connectAndAwait()
                val got = async { ben.inbox().messages().take(3).toList() }
                val receipt = ann.sendAndAwait(message("user:ben") { content("one").receipts() })
                assertTrue(receipt.awaitAccepted().position() > 0)
                ann.sendAndAwait("user:ben", "two")
                ann.sendAndAwait("user:ben", "three")
                val messages = withTimeout(10_000) { got.await() }
                assertEquals(listOf("one", "two", "three"), messages.map { it.content() })
                receipt.awaitDelivered()
                ben.markRead(messages.first())
                withTimeout(10_000) { receipt.awaitRead() }
            }
        }
    }

    @Test
    fun `a slow collector misses nothing and what it leaves is for the next`() = runBlocking {
        client("cid").use { cid ->
            client("dot").use { dot ->
                cid.connectAndAwait()
                dot.connectAndAwait()
                repeat(50) { cid.sendAndAwait("user:dot", "number $it") }
                val first = dot.inbox().asFlow().transformWhile {
                    delay(2)
                    emit((it as Message).content())
                    it.content() != "number 19"
                }.toList()
                assertEquals((0..19).map { "number $it" }, first)
                assertThrows<IllegalStateException> {
                    runBlocking { dot.inbox().messages().collect { error("failed on purpose at ${it.content()}") } }
                }
                // Which the one before it failed at.
                val rest = withTimeout(10_000) { dot.inbox().messages().take(30).toList() }
                assertEquals((20..49).map { "number $it" }, rest.map { it.content() })
            }
        }
    }

    @Test
    fun `a collector that waits can be cancelled, and ends when the client is closed`() = runBlocking {
        val client = client("eve")
        client.connectAndAwait()
        assertNull(withTimeoutOrNull(100) { client.inbox().asFlow().first() })
        val ended = CompletableDeferred<Unit>()
        val collecting = launch {
            client.inbox().asFlow().collect {}
            ended.complete(Unit)
        }
        delay(50)
        client.closeAndAwait()
        withTimeout(5_000) { ended.await() }
        collecting.join()
        assertThrows<SendException> { runBlocking { client.sendAndAwait("user:x", "too late") } }
        Unit
    }

    @Test
    fun `states are told as they are and as they change`() = runBlocking {
        val client = client("fay")
        assertEquals(ConnectionState.Phase.IDLE, client.states.value.phase())
        client.connectAndAwait()
        withTimeout(5_000) { client.states.first { it.isConnected } }
        client.closeAndAwait()
        withTimeout(5_000) { client.states.first { it.phase() == ConnectionState.Phase.CLOSED } }
        Unit
    }

    @Test
    fun `groups and presence read as sentences`() = runBlocking {
        client("gil").use { gil ->
            client("hal").use { hal ->
                gil.connectAndAwait()
                gil.group("kotlin").joinAndAwait()
                val online = async { gil.presenceOf(listOf("hal")).first { it["hal"] == UserStatus.ONLINE } }
                hal.connectAndAwait()
                withTimeout(10_000) { online.await() }
                hal.group("kotlin").joinAndAwait()
                hal.sendAndAwait("group:kotlin", "hello all").awaitAccepted()
                assertEquals("hello all", withTimeout(10_000) { gil.group("kotlin").messages().first() }.content())
                assertEquals(1, gil.group("kotlin").historyAndAwait().messages().size)
                hal.group("kotlin").leaveAndAwait()
            }
        }
    }
}
