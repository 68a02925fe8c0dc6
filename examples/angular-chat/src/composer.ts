import { afterNextRender, Component, type ElementRef, input, signal, viewChild } from '@angular/core';
import type { ConversationName } from '@wsc/client';
import { injectClient, injectSend } from '@wsc/angular';
import { sendFile } from '../../chat/files';
import { titleOf } from '../../chat/words';

@Component({
  selector: 'chat-composer',
  template: `
    @if (error()) {
      <p class="error" role="alert">{{ error() }}</p>
    }
    <form class="compose" (submit)="submit($event, text)">
      <span class="attach">
        <input #file type="file" aria-label="Send a file" (change)="attach(file)">
        <span aria-hidden="true">File</span>
      </span>
      <label class="hidden" for="text">Message to {{ titleOf(name()) }}</label>
      <input #text id="text" class="text" placeholder="Write a message" autocomplete="off" (input)="client.typing(name())">
      <button class="primary">Send</button>
    </form>
  `,
})
export class Composer {
  readonly name = input.required<ConversationName>();
  private readonly text = viewChild.required<ElementRef<HTMLInputElement>>('text');
  readonly #send = injectSend(() => this.name());
  protected readonly client = injectClient();
  protected readonly error = signal('');
  protected readonly titleOf = titleOf;

  constructor() {
    afterNextRender(() => this.text().nativeElement.focus());
  }

  protected async submit(event: Event, field: HTMLInputElement): Promise<void> {
    event.preventDefault();
    const content = field.value;
    if (!content.trim()) return;
    field.value = '';
    this.error.set('');
    try {
      await this.#send({ content, require_ack: true });
    } catch (reason) {
      this.error.set((reason as Error).message);
      // What could not be kept is not lost.
      field.value ||= content;
    }
  }

  protected async attach(field: HTMLInputElement): Promise<void> {
    const file = field.files?.[0];
    field.value = '';
    this.error.set('');
    if (file) await sendFile(this.client, this.name(), file).catch((reason: Error) => this.error.set(reason.message));
  }
}
