// A chat in a terminal, in coroutines: users, groups, history. What is written while the hub is away goes out later.

import io.github.wsc.Client
import io.github.wsc.Message
import io.github.wsc.Stream
import io.github.wsc.MessageType
import io.github.wsc.WscException
import io.github.wsc.awaitAccepted
import io.github.wsc.closeAndAwait
import io.github.wsc.historyAndAwait
import io.github.wsc.joinAndAwait
import io.github.wsc.leaveAndAwait
import io.github.wsc.message
import io.github.wsc.messages
import io.github.wsc.sendAndAwait
import io.github.wsc.states
import io.github.wsc.wscClient
import java.nio.file.Path
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext

private const val HELP = "/to USER, /join GROUP, /leave, /history, /quit; anything else is sent"

private class Chat(private val client: Client, private val scope: CoroutineScope) {
    private var conversation = ""

    private val stream: Stream
        get() = if (conversation.startsWith("group:")) client.group(conversation.removePrefix("group:")) else client.inbox()

    /** Shows what comes of a stream. */
    fun read(stream: Stream) = scope.launch {
        stream.messages().collect { message ->
            if (message.type() != MessageType.READ) show(message)
        }
    }

    private fun show(message: Message) {
        val group = if (message.group().isEmpty()) "" else "${message.group()} "
        println("$group${message.sender()}: ${message.content()}")
        client.markRead(message)
    }

    /** Does what a line says; false: it is the end. */
    suspend fun obey(line: String): Boolean {
        val word = line.substringBefore(' ')
        val rest = line.substringAfter(' ', "")
        when {
            word == "" -> {}
            word == "/to" -> conversation = "user:$rest"
            word == "/join" -> {
                client.group(rest).joinAndAwait()
                conversation = "group:$rest"
                read(stream)
                println("joined $rest")
            }
            word == "/leave" -> client.group(conversation.removePrefix("group:")).leaveAndAwait()
            word == "/history" -> stream.historyAndAwait(10).messages().forEach {
                println("${it.position()} ${it.sender()}: ${it.content()}")
            }
            word == "/quit" -> return false
            word.startsWith("/") || conversation.isEmpty() -> println(HELP)
            else -> send(line)
        }
        return true
    }

    private suspend fun send(line: String) {
        val receipt = client.sendAndAwait(message(conversation) { content(line).receipts() })
        scope.launch {
            try {
                receipt.awaitAccepted()
            } catch (refused: WscException) {
                println("! not sent: ${refused.message}")
            }
        }
    }
}

fun main(args: Array<String>) = runBlocking {
    if (args.isEmpty()) {
        println("usage: mvn -q compile exec:java -Dexec.args=\"USER [HUB]\"")
        return@runBlocking
    }
    val client = wscClient(args.getOrElse(1) { "ws://127.0.0.1:8080/ws" }) {
        user = args[0]
        outbox = Path.of("target", "${args[0]}.outbox")
    }
    val showing = launch { client.states.collect { println("(${it.phase().name.lowercase()})") } }
    val chat = Chat(client, this)
    chat.read(client.inbox())
    client.connect()
    println(HELP)
    while (true) {
        val line = withContext(Dispatchers.IO) { readlnOrNull() } ?: break
        try {
            if (!chat.obey(line.trim())) break
        } catch (wrong: WscException) {
            println("! ${wrong.message}")
        }
    }
    client.closeAndAwait()
    showing.cancelAndJoin()
}
