import { Component, signal } from '@angular/core';
import { injectClient } from '@wsc/angular';
import { start } from '../../chat/screen';

@Component({
  selector: 'chat-start',
  template: `
    <form class="start" (submit)="submit($event, input)">
      <label class="hidden" for="start">User, or #group</label>
      <input #input id="start" placeholder="User, or #group" autocomplete="off">
      <button>Open</button>
    </form>
    @if (error()) {
      <p class="error" role="alert">{{ error() }}</p>
    }
  `,
})
export class Start {
  readonly #client = injectClient();
  protected readonly error = signal('');

  protected async submit(event: Event, input: HTMLInputElement): Promise<void> {
    event.preventDefault();
    if (!input.value.trim()) return;
    try {
      await start(this.#client, input.value);
      input.value = '';
      this.error.set('');
    } catch (reason) {
      this.error.set((reason as Error).message);
    }
  }
}
