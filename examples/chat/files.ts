/** Files as binary messages. Large ones belong on a file server, and their link in a message. */

import type { Client, ConversationName, Message } from '@wsc/client';

/** A frame has 64 KiB, of which the fields beside the bytes need some. */
const ROOM = 60 * 1024;
/** Shown in the page. Not SVG: opened on its own, it could run a script. */
const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'];

export interface Attachment {
  readonly name: string;
  readonly image: boolean;
  /** Where its bytes are; absent: they are not in this page. */
  readonly url?: string | undefined;
}

/** Sends a file. Images are made smaller until they fit. */
export async function sendFile(client: Client, to: ConversationName, file: File): Promise<void> {
  const image = IMAGES.includes(file.type);
  const blob = image && file.size > ROOM ? await smaller(file) : file;
  if (blob.size > ROOM) throw new Error(`${file.name} is too large: a message carries 60 KiB. Send a link to it.`);
  const data = { name: file.name, type: blob.type };
  await client.sendBinary(to, await blob.arrayBuffer(), { message_type: image ? 'image' : 'file', data, require_ack: true });
}

async function smaller(file: File): Promise<Blob> {
  const picture = await createImageBitmap(file);
  for (let side = 1600; side >= 100; side /= 2) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(Math.ceil(picture.width * scale), Math.ceil(picture.height * scale));
    canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 });
    if (blob.size <= ROOM) return blob;
  }
  return file;
}

const urls = new WeakMap<Uint8Array, string>();
const gone = new FinalizationRegistry<string>((url) => URL.revokeObjectURL(url));

/** The file of a message, if it has one. */
export function attachmentOf({ message_type: type, data, payload }: Message): Attachment | undefined {
  if (type !== 'image' && type !== 'file' && type !== 'binary') return undefined;
  const about = (data ?? {}) as { name?: string; type?: string };
  const image = type === 'image' && IMAGES.includes(about.type ?? '');
  return { name: about.name ?? 'file', image, url: payload && urlOf(payload, image ? about.type! : 'application/octet-stream') };
}

/** One address per file, for as long as its bytes are held. */
function urlOf(bytes: Uint8Array, type: string): string {
  const known = urls.get(bytes);
  if (known) return known;
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
  urls.set(bytes, url);
  gone.register(bytes, url);
  return url;
}
