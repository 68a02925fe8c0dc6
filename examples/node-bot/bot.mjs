// A bot that answers what is often asked and repeats the rest, to users and in the group "help". What was written while it was
// down it answers once it is back: its outbox keeps its place.
//
//   cargo run --release                  a hub on port 8080
//   cargo tool example node-bot          this
//   cargo run --release -- send …        somebody who asks; or one of the chats

import { Client } from '@wsc/node';

const HUB = process.env.HUB ?? 'ws://127.0.0.1:8080/ws';
const ANSWERS = [
  [/\b(hi|hello|hey)\b/i, 'Hello! Ask me about prices, opening hours or refunds.'],
  [/\b(prices?|cost)\b/i, 'It is free, and it stays free.'],
  [/\b(hours|open)\b/i, 'I am here day and night, and back after every restart.'],
  [/\brefunds?\b/i, 'Write to user "support" with your order number.'],
];

const bot = new Client(HUB, { user: 'bot', outbox: process.env.OUTBOX ?? 'bot.outbox' });
bot.on('connectError', ({ reason }) => console.warn(`no connection: ${reason}`));
bot.on('disconnected', ({ reason }) => console.warn(`disconnected: ${reason}`));
bot.on('fault', ({ what }) => console.warn(what));

/** Answers in the conversation a message came from, as a reply to it. */
async function answer(to, message) {
  const [, text] = ANSWERS.find(([question]) => question.test(message.content ?? '')) ?? [undefined, `You said: ${message.content}`];
  const receipt = await bot.send(to, { content: text, reply_to_msg_id: message.message_id });
  receipt.accepted.catch((error) => console.warn(`not answered: ${error.message}`));
}

/** Reads a stream to its end, one message after the other: the next is asked for when this one's answer is kept. */
async function read(stream, toWhom) {
  for await (const { message } of stream.messages()) {
    if (message?.message_type === 'text') await answer(toWhom(message), message);
  }
}

void read(bot.inbox, ({ sender }) => `user:${sender}`);
void read(bot.group('help'), () => 'group:help');
await bot.connect();
await bot.group('help').join();
console.log('the bot listens: write to user "bot", or in the group "help"');

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void bot.close().then(() => process.exit()));
